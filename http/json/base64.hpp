#pragma once
// Base64 (RFC 4648, with padding) of bytes, and of vectors as the field's clients read them. Pure.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace troupe::http {

std::string base64(std::span<const std::byte> bytes);
// Of float32 numbers, little-endian whatever the machine is.
std::string base64(std::span<const float> numbers);

// The bytes of a text in base64; null: it is none. Padding may be missing; nothing else may be, or be too much.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace troupe::http
