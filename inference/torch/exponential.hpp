#pragma once
// exp() in loops that the compiler turns into vectors. No Torch here.

#include <bit>
#include <cstdint>

namespace troupe::inference {

// Relative error below 1e-6: bf16 has 4e-3. REQUIRES -87 <= x <= 88; NaN stays NaN.
[[gnu::always_inline]] inline float exponential(float x) noexcept {
  constexpr float to_integer = 12582912.0F;  // 1.5 * 2^23: what is added to it is rounded
  const auto shifted = x * 1.44269504F + to_integer;
  const auto whole = shifted - to_integer;
  const auto rest = (x - whole * 0.693359375F) + whole * 2.12194440e-4F;
  auto p = 8.3334519e-3F;
  p = p * rest + 4.1665796e-2F;
  p = p * rest + 1.6666665e-1F;
  p = p * rest + 0.5F;
  p = p * rest + 1.0F;
  p = p * rest + 1.0F;
  return p * std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) << 23U) + (127U << 23U));
}

}  // namespace troupe::inference
