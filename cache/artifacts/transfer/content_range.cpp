#include "cache/artifacts/transfer/content_range.hpp"

#include <algorithm>
#include <charconv>

namespace troupe::cache {

std::optional<std::uint64_t> parse_byte_count(std::string_view text) noexcept {
  std::uint64_t n = 0;
  const auto [end, why] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || why != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

std::optional<content_range> parse_content_range(std::string_view header) noexcept {
  constexpr std::string_view unit = "bytes ";
  if (header.size() < unit.size() || !std::equal(unit.begin(), unit.end(), header.begin(), [](char u, char c) {
        return u == (c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
      })) {
    return std::nullopt;
  }
  header.remove_prefix(unit.size());
  const auto slash = header.find('/');
  const auto dash = header.find('-');
  if (slash == std::string_view::npos || dash == std::string_view::npos || dash > slash) return std::nullopt;
  const auto first = parse_byte_count(header.substr(0, dash));
  const auto last = parse_byte_count(header.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *last < *first || *last == UINT64_MAX) return std::nullopt;
  content_range out{*first, *last + 1, std::nullopt};
  if (const auto total = header.substr(slash + 1); total != "*") {
    out.total = parse_byte_count(total);
    if (!out.total || out.end > *out.total) return std::nullopt;
  }
  return out;
}

}  // namespace troupe::cache
