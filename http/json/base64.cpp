#include "http/json/base64.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

namespace troupe::http {
namespace {

constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t no_letter = 64;

constexpr auto values = [] {
  std::array<std::uint8_t, 256> out{};
  out.fill(no_letter);
  for (std::size_t i = 0; i < letters.size(); ++i)
    out[static_cast<unsigned char>(letters[i])] = static_cast<std::uint8_t>(i);
  return out;
}();

}  // namespace

std::string base64(std::span<const std::byte> bytes) {
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

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 == 0) {
    for (int pads = 0; pads < 2 && text.ends_with('='); ++pads) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  unsigned count = 0;  // of bits that are no byte yet
  for (const char c : text) {
    const auto value = values[static_cast<unsigned char>(c)];
    if (value == no_letter) return std::nullopt;
    bits = bits << 6U | value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count & 255U));
  }
  if ((bits & ((1U << count) - 1)) != 0) return std::nullopt;  // bits of no byte
  return out;
}

}  // namespace troupe::http
