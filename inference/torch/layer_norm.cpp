#include "inference/torch/layer_norm.hpp"

#include <algorithm>
#include <cmath>

#include "inference/torch/lanes.hpp"

namespace troupe::inference {
namespace {

// F of a line's groups of lanes: f(group, first, count).
template <class T, class F>
[[gnu::always_inline]] inline void for_groups(const T* line, std::int64_t width, F f) noexcept {
  lanes x;
  std::int64_t i = 0;
  for (; i + lane_count <= width; i += lane_count) {
    read(line + i, x);
    f(x, i, lane_count);
  }
  if (i == width) return;
  read_some(line + i, width - i, x);
  f(x, i, width - i);
}

[[gnu::always_inline]] inline float sum_of(const lanes& x) noexcept {
  float all = 0;
  for (std::int64_t i = 0; i < lane_count; ++i) all += x[i];
  return all;
}

template <class T>
[[gnu::always_inline]] inline void normalize(const T* x, std::int64_t count, std::int64_t width, const T* weight,
                                             const T* bias, double epsilon, T* y) noexcept {
  const auto size = static_cast<float>(width);
  for (std::int64_t line = 0; line < count; ++line, x += width, y += width) {
    lanes sums{}, squares{};
    for_groups(x, width,
               [&](const lanes& v, std::int64_t, std::int64_t) __attribute__((always_inline)) { sums += v; });
    const auto mean = sum_of(sums) / size;
    // About the mean: a difference of large sums would be inexact.
    for_groups(x, width, [&](const lanes& v, std::int64_t, std::int64_t n) __attribute__((always_inline)) {
      auto off = v - mean;
      for (auto i = n; i < lane_count; ++i) off[i] = 0;
      squares += off * off;
    });
    const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(sum_of(squares) / size) + epsilon));
    for_groups(x, width, [&](const lanes& v, std::int64_t first, std::int64_t n) __attribute__((always_inline)) {
      lanes w, b{};
      read_some(weight + first, n, w);
      if (bias != nullptr) read_some(bias + first, n, b);
      write_some((v - mean) * scale * w + b, n, y + first);
    });
  }
}

}  // namespace

TROUPE_WIDE void normalize_lines(const float* x, std::int64_t count, std::int64_t width, const float* weight,
                                 const float* bias, double epsilon, float* y) noexcept {
  normalize(x, count, width, weight, bias, epsilon, y);
}
TROUPE_WIDE void normalize_lines(const std::uint16_t* x, std::int64_t count, std::int64_t width,
                                 const std::uint16_t* weight, const std::uint16_t* bias, double epsilon,
                                 std::uint16_t* y) noexcept {
  normalize(x, count, width, weight, bias, epsilon, y);
}

}  // namespace troupe::inference
