#include "cache/artifacts/transfer/ranges.hpp"

#include <algorithm>
#include <cassert>

namespace troupe::cache {
namespace {

using ranges = std::map<std::uint64_t, std::uint64_t>;

// The end of the range that `at` lies in; `at` itself: in none.
std::uint64_t skip(const ranges& in, std::uint64_t at) {
  auto it = in.upper_bound(at);
  if (it == in.begin()) return at;
  return std::max(at, std::prev(it)->second);
}

std::uint64_t next_begin(const ranges& in, std::uint64_t at) {
  const auto it = in.lower_bound(at);
  return it == in.end() ? range_plan::unknown : it->first;
}

}  // namespace

range_plan::range_plan(std::uint64_t size, std::uint64_t whole) : size_(size) { wrote(0, std::min(whole, size)); }

std::optional<byte_range> range_plan::first_open(std::uint64_t most) const {
  std::uint64_t at = 0;
  for (;;) {
    const auto next = skip(taken_, skip(whole_, at));
    if (next == at) break;
    at = next;
  }
  if (at >= size_) return std::nullopt;
  auto end = std::min({size_, next_begin(whole_, at), next_begin(taken_, at)});
  if (end - at > most) end = at + most;
  return byte_range{at, end};
}

bool range_plan::has_open() const { return first_open(1).has_value(); }

std::optional<byte_range> range_plan::take(std::uint64_t most) {
  const auto out = first_open(most);
  if (out) taken_[out->begin] = out->end;
  return out;
}

void range_plan::wrote(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return;
  auto it = whole_.upper_bound(begin);
  if (it != whole_.begin() && std::prev(it)->second >= begin) {
    it = std::prev(it);
    begin = it->first;
  }
  while (it != whole_.end() && it->first <= end) {
    whole_bytes_ -= it->second - it->first;
    end = std::max(end, it->second);
    it = whole_.erase(it);
  }
  whole_.emplace_hint(it, begin, end);
  whole_bytes_ += end - begin;
}

void range_plan::give_back(std::uint64_t begin) {
  [[maybe_unused]] const auto gone = taken_.erase(begin);
  assert(gone == 1);
}

void range_plan::set_size(std::uint64_t size) {
  size_ = size;
  while (!whole_.empty() && std::prev(whole_.end())->second > size) {
    const auto last = std::prev(whole_.end());
    const auto cut = std::max(last->first, size);
    whole_bytes_ -= last->second - cut;
    if (cut == last->first)
      whole_.erase(last);
    else
      last->second = cut;
  }
  for (auto& [begin, end] : taken_) end = std::max(begin, std::min(end, size));
}

std::uint64_t range_plan::prefix() const noexcept {
  return whole_.empty() || whole_.begin()->first != 0 ? 0 : whole_.begin()->second;
}

}  // namespace troupe::cache
