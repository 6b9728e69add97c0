#include "cache/catalog/providers/row_collector.hpp"

#include <utility>

namespace troupe::cache {
namespace {

constexpr std::size_t batch_rows = 1000;
constexpr std::size_t examples_max = 10;

std::string listed(const std::vector<std::string>& examples) {
  std::string out;
  for (const auto& each : examples) out += (out.empty() ? "" : "; ") + each;
  return out;
}

}  // namespace

row_collector::row_collector(const std::string& provider, const provider_source::take_rows& take,
                             const provider_limits& limits, const std::atomic<bool>* cancelled)
    : form_{provider, false}, take_(take), limits_(limits), cancelled_(cancelled) {
  batch_.reserve(batch_rows);
}

result<void> row_collector::go_on(const std::string& what) const {
  if (cancelled_ != nullptr && cancelled_->load(std::memory_order_relaxed))
    return fail(error_code::cancelled, "the reading of " + what + " was cancelled");
  if (steady_clock::now() - began_ > limits_.time_max)
    return fail(error_code::unavailable, what + " takes longer than " + std::to_string(limits_.time_max.count()) +
                                             " s, after " + std::to_string(reading_.pages) + " pages");
  return {};
}

result<page_facts> row_collector::add_page(std::string& json, const std::string& what) {
  ++reading_.pages;
  row_of_page_ = 0;
  return reader_.read(json, what,
                      [&](const page_facts& page, simdjson::ondemand::value row) { return add_row(page, row, what); });
}

result<simdjson::error_code> row_collector::add_row(const page_facts& page, simdjson::ondemand::value row,
                                                    const std::string& what) {
  const auto at = row_of_page_++;
  form_.name_is_id = page.list == "models";
  if (const auto why = read_offer(row, form_, row_)) return why;
  if (reading_.rows + batch_.size() + reading_.skipped >= limits_.rows_max)
    return fail(error_code::payload_too_large,
                what + " lists more than " + std::to_string(limits_.rows_max) + " models");
  if (row_.row) {
    batch_.push_back(std::move(*row_.row));
  } else if (++reading_.skipped; reading_.examples.size() < examples_max) {
    const auto page_name = reading_.pages > 1 ? "page " + std::to_string(reading_.pages) + ", " : std::string();
    reading_.examples.push_back(page_name + page.list + '[' + std::to_string(at) + "]: " + row_.why_not);
  }
  if (batch_.size() < batch_rows) return simdjson::SUCCESS;
  if (auto ok = go_on(what); !ok) return tl::unexpected(ok.error());
  if (auto ok = hand_on(); !ok) return tl::unexpected(ok.error());
  return simdjson::SUCCESS;
}

result<void> row_collector::hand_on() {
  if (batch_.empty()) return {};
  reading_.rows += batch_.size();
  auto taken = take_(std::exchange(batch_, {}));
  batch_.reserve(batch_rows);
  return taken;
}

result<provider_reading> row_collector::finish(const std::string& what) {
  const auto usable = reading_.rows + batch_.size();
  // An empty list would take all old rows away. A provider without a model is rarer than one that is broken.
  if (usable == 0 && reading_.skipped == 0) return fail(error_code::unprocessable, what + " lists no model");
  if (usable < reading_.skipped || usable == 0)
    return fail(error_code::unprocessable,
                what + ": of " + std::to_string(usable + reading_.skipped) + " models only " + std::to_string(usable) +
                    " can be used: " + listed(reading_.examples),
                "more than half of them must be of use");
  if (auto ok = hand_on(); !ok) return tl::unexpected(ok.error());
  return std::move(reading_);
}

}  // namespace troupe::cache
