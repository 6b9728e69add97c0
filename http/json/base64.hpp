#pragma once
// Base64 (RFC 4648, with padding) of bytes, and of vectors as the field's clients read them. Pure.

#include <cstddef>
#include <span>
#include <string>

namespace troupe::http {

std::string base64(std::span<const std::byte> bytes);
// Of float32 numbers, little-endian whatever the machine is.
std::string base64(std::span<const float> numbers);

}  // namespace troupe::http
