#include "inference/torch/layer_norm.hpp"

#include <algorithm>
#include <cmath>

#include "inference/torch/lanes.hpp"

namespace troupe::inference {
namespace {

// Sums that do not wait for each other.
constexpr std::int64_t sums_at_once = 4;

// f(number, sum) of all of a line's numbers, some sums at a time; what they are together.
template <class T, class F>
[[gnu::always_inline]] inline float summed(const T* line, std::int64_t width, F f) noexcept {
  lanes sums[sums_at_once] = {}, x;
  std::int64_t i = 0;
  for (; i + sums_at_once * lane_count <= width; i += sums_at_once * lane_count)
    for (std::int64_t j = 0; j < sums_at_once; ++j) {
      read(line + i + j * lane_count, x);
      f(x, sums[j]);
    }
  for (; i + lane_count <= width; i += lane_count) {
    read(line + i, x);
    f(x, sums[0]);
  }
  auto all = sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < width; ++i) {
    lanes one = lanes{} + number(line[i]), sum{};
    f(one, sum);
    all += sum[0];
  }
  return all;
}

template <class T>
[[gnu::always_inline]] inline void normalize(const T* x, std::int64_t count, std::int64_t width, const T* weight,
                                             const T* bias, double epsilon, T* y) noexcept {
  const auto size = static_cast<float>(width);
  for (std::int64_t line = 0; line < count; ++line, x += width, y += width) {
    const auto mean = summed(
                          x, width, [](const lanes& v, lanes& sum) __attribute__((always_inline)) { sum += v; }) /
                      size;
    // About the mean: a difference of large sums would be inexact.
    const auto variance =
        summed(
            x, width,
            [mean](const lanes& v, lanes& sum) __attribute__((always_inline)) { sum += (v - mean) * (v - mean); }) /
        size;
    const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(variance) + epsilon));
    for (std::int64_t i = 0; i < width; i += lane_count) {
      const auto some = std::min(lane_count, width - i);
      lanes v, w, b{};
      read_some(x + i, some, v);
      read_some(weight + i, some, w);
      if (bias != nullptr) read_some(bias + i, some, b);
      write_some((v - mean) * scale * w + b, some, y + i);
    }
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
