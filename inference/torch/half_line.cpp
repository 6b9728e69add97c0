#include "inference/torch/half_line.hpp"

#include "inference/torch/activation_lanes.hpp"
#include "inference/torch/panels.hpp"

namespace troupe::inference {
namespace {

// Loops that the compiler turns into vectors.
template <bool has_bias, bool has_residual, class F>
[[gnu::always_inline]] inline void lines(const float* sums, std::int64_t count, const std::uint16_t* bias,
                                         const std::uint16_t* residual, std::uint16_t* y, std::int64_t width,
                                         F after) noexcept {
  for (std::int64_t line = 0; line < count; ++line)
    for (std::int64_t i = 0; i < panel_rows; i += lane_count) {
      lanes value, more;
      read(sums + line * panel_rows + i, value);
      if constexpr (has_bias) {
        read(bias + i, more);
        value += more;
      }
      if constexpr (has_residual) {
        read(residual + line * width + i, more);
        value += more;
      }
      after(value);
      write(value, y + line * width + i);
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
    case after_linear::nothing: return with([](lanes&) __attribute__((always_inline)){});
    case after_linear::gelu: return with([](lanes & x) __attribute__((always_inline)) { apply_gelu(x); });
    case after_linear::gelu_tanh: return with([](lanes & x) __attribute__((always_inline)) { apply_gelu_tanh(x); });
    case after_linear::relu: return with([](lanes & x) __attribute__((always_inline)) { apply_relu(x); });
    case after_linear::silu: return with([](lanes & x) __attribute__((always_inline)) { apply_silu(x); });
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
