#include "inference/torch/half_line.hpp"

#include <algorithm>
#include <bit>

#include "inference/model/half.hpp"
#include "inference/torch/exponential.hpp"
#include "inference/torch/panels.hpp"

namespace troupe::inference {
namespace {

// Loops that the compiler turns into vectors: no calls, no branches. NaN stays NaN in all of them.

// |x|, at most `most`. As numbers without a sign their bits have their order: of a condition the compiler would make
// two ways, and compute on both.
[[gnu::always_inline]] inline float magnitude_of(float x, float most) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x) & 0x7fffffffU;
  return std::bit_cast<float>(std::min(bits, std::bit_cast<std::uint32_t>(most)));
}

// x/2 * (1 + erf(x / sqrt 2)), by Abramowitz and Stegun's 7.1.26 for erfc (1.5e-7): no difference of near numbers
// where the answer is small.
[[gnu::always_inline]] inline float gelu(float x) noexcept {
  const auto magnitude = magnitude_of(x, 12.0F);
  const auto t = 1.0F / (1.0F + 0.231641888F * magnitude);
  auto p = 1.061405429F;
  p = p * t - 1.453152027F;
  p = p * t + 1.421413741F;
  p = p * t - 0.284496736F;
  p = p * t + 0.254829592F;
  const auto erfc = p * t * exponential(-0.5F * magnitude * magnitude);
  return (x < 0.0F ? 0.0F : x) - 0.5F * magnitude * erfc;
}

// x / (1 + exp(-y)). Where |y| is bounded the answer has long become x or nothing.
[[gnu::always_inline]] inline float gated(float x, float y) noexcept {
  const auto e = exponential(-magnitude_of(y, 87.0F));
  return x * ((y < 0.0F ? e : 1.0F) / (1.0F + e));
}

[[gnu::always_inline]] inline float silu(float x) noexcept { return gated(x, x); }

[[gnu::always_inline]] inline float gelu_tanh(float x) noexcept {
  return gated(x, 1.59576912F * (x + 0.044715F * x * x * x));
}

[[gnu::always_inline]] inline float relu(float x) noexcept { return x < 0.0F ? 0.0F : x; }

template <bool has_bias, bool has_residual, class F>
[[gnu::always_inline]] inline void lines(const float* sums, std::int64_t count, const std::uint16_t* bias,
                                         const std::uint16_t* residual, std::uint16_t* y, std::int64_t width,
                                         F after) noexcept {
  for (std::int64_t line = 0; line < count; ++line) {
    const auto* __restrict__ from = sums + line * panel_rows;
    const auto* __restrict__ add = residual + (has_residual ? line * width : 0);
    auto* __restrict__ to = y + line * width;
    for (std::int64_t i = 0; i < panel_rows; ++i) {
      auto value = from[i];
      if constexpr (has_bias) value += bf16_to_float(bias[i]);
      if constexpr (has_residual) value += bf16_to_float(add[i]);
      to[i] = float_to_bf16(after(value));
    }
  }
}

[[gnu::always_inline]] inline void all_lines(const float* sums, std::int64_t count, const std::uint16_t* bias,
                                             const std::uint16_t* residual, std::uint16_t* y, std::int64_t width,
                                             after_linear after) noexcept {
  const auto with = [&](auto f) __attribute__((always_inline)) {
    if (bias != nullptr && residual != nullptr)
      lines<true, true>(sums, count, bias, residual, y, width, f);
    else if (bias != nullptr)
      lines<true, false>(sums, count, bias, residual, y, width, f);
    else if (residual != nullptr)
      lines<false, true>(sums, count, bias, residual, y, width, f);
    else
      lines<false, false>(sums, count, bias, residual, y, width, f);
  };
  switch (after) {
    case after_linear::nothing: return with([](float x) __attribute__((always_inline)) { return x; });
    case after_linear::gelu: return with([](float x) __attribute__((always_inline)) { return gelu(x); });
    case after_linear::gelu_tanh: return with([](float x) __attribute__((always_inline)) { return gelu_tanh(x); });
    case after_linear::relu: return with([](float x) __attribute__((always_inline)) { return relu(x); });
    case after_linear::silu: return with([](float x) __attribute__((always_inline)) { return silu(x); });
  }
}

#if defined(__x86_64__)
// What every CPU has whose bf16 products are worth calling.
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))) void wide_lines(const float* sums, std::int64_t count,
                                                                                  const std::uint16_t* bias,
                                                                                  const std::uint16_t* residual,
                                                                                  std::uint16_t* y, std::int64_t width,
                                                                                  after_linear after) noexcept {
  all_lines(sums, count, bias, residual, y, width, after);
}
#endif

}  // namespace

void half_lines(const float* sums, std::int64_t count, const std::uint16_t* bias, const std::uint16_t* residual,
                std::uint16_t* y, std::int64_t width, after_linear after) noexcept {
#if defined(__x86_64__)
  static const bool wide = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
  if (wide) return wide_lines(sums, count, bias, residual, y, width, after);
#endif
  all_lines(sums, count, bias, residual, y, width, after);
}

}  // namespace troupe::inference
