#pragma once
// exp() and what follows a product, sixteen numbers at a time (lanes.hpp): no calls, no branches, no divisions. NaN
// stays NaN in all of them. No Torch here.

#include <bit>
#include <cstdint>

#include "inference/torch/lanes.hpp"

namespace troupe::inference {

// x = exp(x), with a relative error below 1e-6: bf16 has 4e-3. REQUIRES -87 <= x <= 88.
[[gnu::always_inline]] inline void exponentiate(lanes& x) noexcept {
  constexpr float to_integer = 12582912.0F;  // 1.5 * 2^23: what is added to it is rounded
  const lanes shifted = x * 1.44269504F + to_integer, whole = shifted - to_integer,
              rest = (x - whole * 0.693359375F) + whole * 2.12194440e-4F;
  lanes p = rest * 8.3334519e-3F + 4.1665796e-2F;
  p = p * rest + 1.6666665e-1F;
  p = p * rest + 0.5F;
  p = p * rest + 1.0F;
  p = p * rest + 1.0F;
  x = p * reinterpret_cast<lanes>((reinterpret_cast<lane_bits>(shifted) << 23U) + (127U << 23U));
}

// x = 1 / x, with a relative error below 1e-6. REQUIRES 1 <= x <= 4. By Newton's steps: a division of sixteen numbers
// takes as long as all the rest of a gelu.
[[gnu::always_inline]] inline void invert(lanes& x) noexcept {
  lanes inverse = reinterpret_cast<lanes>(0x7ef311c7U - reinterpret_cast<lane_bits>(x));
  for (int i = 0; i < 3; ++i) inverse = inverse * (2.0F - x * inverse);
  x = inverse;
}

// |x|, at most `most`. As numbers without a sign their bits have their order.
[[gnu::always_inline]] inline void limit_magnitude(const lanes& x, float most, lanes& magnitude) noexcept {
  const auto bits = reinterpret_cast<lane_bits>(x) & 0x7fffffffU,
             limit = lane_bits{} + std::bit_cast<std::uint32_t>(most);
  magnitude = reinterpret_cast<lanes>(bits < limit ? bits : limit);
}

[[gnu::always_inline]] inline void apply_relu(lanes& x) noexcept { x = x < 0.0F ? lanes{} : x; }

// x/2 * (1 + erf(x / sqrt 2)), by Abramowitz and Stegun's 7.1.26 for erfc (1.5e-7): no difference of near numbers
// where the answer is small.
[[gnu::always_inline]] inline void apply_gelu(lanes& x) noexcept {
  lanes magnitude, positive = x;
  limit_magnitude(x, 12.0F, magnitude);
  lanes t = magnitude * 0.231641888F + 1.0F;
  invert(t);
  lanes p = t * 1.061405429F - 1.453152027F;
  p = p * t + 1.421413741F;
  p = p * t - 0.284496736F;
  p = p * t + 0.254829592F;
  lanes e = magnitude * magnitude * -0.5F;
  exponentiate(e);
  apply_relu(positive);
  x = positive - (p * t) * (magnitude * 0.5F) * e;
}

// x / (1 + exp(-y)). Where |y| is bounded the answer has long become x or nothing.
[[gnu::always_inline]] inline void apply_gate(lanes& x, const lanes& y) noexcept {
  lanes e;
  limit_magnitude(y, 87.0F, e);
  e = -e;
  exponentiate(e);
  lanes inverse = e + 1.0F;
  invert(inverse);
  x = x * ((y < 0.0F ? e : lanes{} + 1.0F) * inverse);
}

[[gnu::always_inline]] inline void apply_silu(lanes& x) noexcept {
  const lanes y = x;
  apply_gate(x, y);
}

[[gnu::always_inline]] inline void apply_gelu_tanh(lanes& x) noexcept {
  const lanes y = (x + x * x * x * 0.044715F) * 1.59576912F;
  apply_gate(x, y);
}

}  // namespace troupe::inference
