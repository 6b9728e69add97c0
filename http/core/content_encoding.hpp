#pragma once
// Answers that go out compressed where the client says so: zstd, else gzip. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::http {

enum class content_encoding : std::uint8_t { identity, gzip, zstd };
std::string_view to_string(content_encoding e) noexcept;

// By the quality that Accept-Encoding (RFC 9110, 12.5.3) gives each; of equal ones zstd, then gzip. No header:
// identity.
content_encoding choose_encoding(std::optional<std::string_view> accept_encoding);

// Null: it could not be done (no memory).
std::optional<std::string> encode(content_encoding e, std::string_view body);

inline constexpr std::size_t worth_encoding_bytes = 1024;

}  // namespace troupe::http
