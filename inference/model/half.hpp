#pragma once
// Numbers of 16 bits and of 32: the one place where they become each other.

#include <bit>
#include <cmath>
#include <cstdint>

namespace troupe::inference {

inline float bf16_to_float(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

// Round to nearest even; NaN stays NaN.
inline std::uint16_t float_to_bf16(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>(bits >> 16U | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16U & 1U)) >> 16U);
}

inline float f16_to_float(std::uint16_t bits) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16U;
  const std::uint32_t magnitude = bits & 0x7fffU;
  if (magnitude >= 0x7c00U) return std::bit_cast<float>(sign | 0x7f800000U | (magnitude & 0x3ffU) << 13U);
  if (magnitude >= 0x400U) return std::bit_cast<float>(sign | ((magnitude << 13U) + (112U << 23U)));
  const float tiny = std::ldexp(static_cast<float>(magnitude), -24);
  return sign != 0 ? -tiny : tiny;
}

// Round to nearest even, from all of a double's digits.
// REQUIRES |value| <= 65504.
inline std::uint16_t double_to_f16(double value) noexcept {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  int exponent = 0;
  const double fraction = std::frexp(std::abs(value), &exponent);  // in [0.5, 1)
  if (fraction == 0) return sign;
  const int biased = exponent + 14;
  const auto half = biased <= 0 ? static_cast<std::uint32_t>(std::nearbyint(std::ldexp(fraction, exponent + 24)))
                                : (static_cast<std::uint32_t>(biased) << 10U) +
                                      static_cast<std::uint32_t>(std::nearbyint(std::ldexp(fraction, 11))) - 1024U;
  return static_cast<std::uint16_t>(sign | half);
}

}  // namespace troupe::inference
