#pragma once
// Content-Range (RFC 9110, 14.4), as answers to range requests have it. Pure.

#include <cstdint>
#include <optional>
#include <string_view>

namespace troupe::cache {

struct content_range {
  std::uint64_t begin = 0, end = 0;    // `end` is one behind the last byte
  std::optional<std::uint64_t> total;  // null: "*"
  bool operator==(const content_range&) const = default;
};

// Null: it is none of bytes, or contradicts itself. "bytes */N" is none either: it has no bytes.
std::optional<content_range> parse_content_range(std::string_view header) noexcept;

// A number of bytes and nothing else.
std::optional<std::uint64_t> parse_byte_count(std::string_view text) noexcept;

}  // namespace troupe::cache
