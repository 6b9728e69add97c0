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
[[gnu::always_inline]] inline void normalize(const norm_lines<T>& all) noexcept {
  const auto width = all.width;
  const auto size = static_cast<float>(width);
  const auto* x = all.x;
  auto* y = all.y;
  for (std::int64_t line = 0; line < all.count; ++line, x += all.x_step, y += all.y_step) {
    const auto mean = summed(
                          x, width, [](const lanes& v, lanes& sum) __attribute__((always_inline)) { sum += v; }) /
                      size;
    // About the mean: a difference of large sums would be inexact.
    const auto variance =
        summed(
            x, width,
            [mean](const lanes& v, lanes& sum) __attribute__((always_inline)) { sum += (v - mean) * (v - mean); }) /
        size;
    const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(variance) + all.epsilon));
    for (std::int64_t i = 0; i < width; i += lane_count) {
      const auto some = std::min(lane_count, width - i);
      lanes v, w, b{};
      read_some(x + i, some, v);
      read_some(all.weight + i, some, w);
      if (all.bias != nullptr) read_some(all.bias + i, some, b);
      write_some((v - mean) * scale * w + b, some, y + i);
    }
  }
}

}  // namespace

TROUPE_WIDE void normalize_lines(const norm_lines<float>& lines) noexcept { normalize(lines); }
TROUPE_WIDE void normalize_lines(const norm_lines<std::uint16_t>& lines) noexcept { normalize(lines); }

}  // namespace troupe::inference
