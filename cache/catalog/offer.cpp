#include "cache/catalog/offer.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "config/json_fault.hpp"
#include "config/names.hpp"
#include "config/provider_name_rule.hpp"

namespace troupe::cache {
namespace {

bool is_control(std::string_view text, std::size_t at) noexcept {
  const auto c = static_cast<unsigned char>(text[at]);
  if (c == 0xC2) return at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0;  // U+0080 to U+009F
  return c < 0x20 || c == 0x7F;
}

bool is_text(std::string_view text) { return text.find('\0') == text.npos && config::find_bad_utf8(text) == text.npos; }

bool is_price(const std::optional<double>& price) noexcept { return !price || (std::isfinite(*price) && *price >= 0); }

auto cheapest_first(const offer& o) noexcept {
  return std::tuple(!o.prompt_price, o.prompt_price.value_or(0), std::string_view(o.provider));
}

tl::unexpected<error> refused(const offer& row, const std::string& why) {
  return fail(error_code::bad_request, "the model '" + row.id + "' of '" + row.provider + "' cannot be listed: " + why);
}

}  // namespace

result<void> check_catalog_id(std::string_view id) {
  if (id.empty()) return fail(error_code::bad_request, "a model's id is empty");
  if (id.size() > catalog_id_bytes_max)
    return fail(error_code::bad_request, "a model's id has " + std::to_string(id.size()) + " bytes",
                "at most " + std::to_string(catalog_id_bytes_max));
  if (config::find_bad_utf8(id) != id.npos) return fail(error_code::bad_request, "a model's id is not UTF-8");
  for (std::size_t i = 0; i < id.size(); ++i)
    if (is_control(id, i)) return fail(error_code::bad_request, "a model's id has a control character");
  return {};
}

result<void> check_offer(const offer& row) {
  if (auto ok = check_catalog_id(row.id); !ok) return ok;
  if (!config::is_provider_name(row.provider))
    return fail(error_code::bad_request, "a provider's name is none", std::string(config::provider_name_rule));
  if (!is_text(row.name)) return refused(row, "its name is not UTF-8");
  if (!is_text(row.description)) return refused(row, "its description is not UTF-8");
  if (!is_text(row.task) || row.task.size() > task_bytes_max)
    return refused(row, "its task is not UTF-8 of at most " + std::to_string(task_bytes_max) + " bytes");
  if (!is_price(row.prompt_price) || !is_price(row.completion_price))
    return refused(row, "a price is negative or not a number");
  if (row.context_length && (*row.context_length < 0 || *row.context_length > context_length_max))
    return refused(row, "its context length is not from 0 to " + std::to_string(context_length_max));
  return {};
}

std::string_view cut_text(std::string_view text, std::size_t bytes_max) noexcept {
  if (text.size() <= bytes_max) return text;
  auto n = bytes_max;
  while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xC0) == 0x80) --n;
  return text.substr(0, n);
}

unique_model merge_offers(std::vector<offer> offers) {
  std::sort(offers.begin(), offers.end(),
            [](const offer& a, const offer& b) { return cheapest_first(a) < cheapest_first(b); });
  return {offers.front().id, offers.front().name, std::move(offers)};
}

}  // namespace troupe::cache
