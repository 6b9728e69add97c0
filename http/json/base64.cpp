#include "http/json/base64.hpp"

#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

namespace troupe::http {

std::string base64(std::span<const std::byte> bytes) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t k) {
      return i + k < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0;
    };
    const auto three = at(0) << 16U | at(1) << 8U | at(2);
    out.push_back(letters[three >> 18U & 63U]);
    out.push_back(letters[three >> 12U & 63U]);
    out.push_back(i + 1 < bytes.size() ? letters[three >> 6U & 63U] : '=');
    out.push_back(i + 2 < bytes.size() ? letters[three & 63U] : '=');
  }
  return out;
}

std::string base64(std::span<const float> numbers) {
  if constexpr (std::endian::native == std::endian::little) return base64(std::as_bytes(numbers));
  std::vector<std::byte> bytes;
  bytes.reserve(numbers.size() * sizeof(float));
  for (const float number : numbers) {
    const auto bits = std::bit_cast<std::uint32_t>(number);
    for (unsigned shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<std::byte>(bits >> shift & 255U));
  }
  return base64(std::span<const std::byte>(bytes));
}

}  // namespace troupe::http
