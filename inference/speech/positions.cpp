#include "inference/speech/positions.hpp"

#include <cassert>
#include <cmath>
#include <vector>

namespace troupe::inference {

void scale_frames(std::span<float> frames, std::int64_t layer_width) {
  const auto factor = static_cast<float>(std::sqrt(static_cast<double>(layer_width)));
  for (auto& x : frames) x *= factor;
}

void scale_and_place(std::span<float> frames, std::int64_t width, std::int64_t layer_width, std::int64_t before) {
  assert(width >= 4 && width % 2 == 0 && frames.size() % static_cast<std::size_t>(width) == 0);
  scale_frames(frames, layer_width);
  const auto half = static_cast<std::size_t>(width / 2);
  const float step = std::log(10000.0F) / static_cast<float>(static_cast<double>(half) - 1);
  std::vector<float> rates(half);
  for (std::size_t i = 0; i < half; ++i) rates[i] = std::exp(static_cast<float>(i) * -step);
  auto position = static_cast<float>(before);
  for (std::size_t at = 0; at < frames.size(); at += 2 * half) {
    position += 1;
    for (std::size_t i = 0; i < half; ++i) {
      const auto angle = position * rates[i];
      frames[at + i] += std::sin(angle);
      frames[at + half + i] += std::cos(angle);
    }
  }
}

}  // namespace troupe::inference
