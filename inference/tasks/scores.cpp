#include "inference/tasks/scores.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace troupe::inference {

void softmax(std::span<float> values) noexcept {
  if (values.empty()) return;
  const float most = *std::max_element(values.begin(), values.end());
  double sum = 0;  // a vocabulary is long
  for (auto& v : values) sum += v = std::exp(v - most);
  for (auto& v : values) v = static_cast<float>(v / sum);
}

void apply_score_function(score_function function, std::span<float> values) noexcept {
  if (function == score_function::softmax) softmax(values);
  if (function == score_function::sigmoid)
    for (auto& v : values) v = 1.0F / (1.0F + std::exp(-v));
}

std::size_t largest_of(std::span<const float> values) noexcept {
  assert(!values.empty());
  std::size_t best = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) return i;
    if (values[i] > values[best]) best = i;
  }
  return best;
}

}  // namespace troupe::inference
