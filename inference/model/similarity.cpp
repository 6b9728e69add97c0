#include "inference/model/similarity.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace troupe::inference {

float cosine(std::span<const float> a, std::span<const float> b) noexcept {
  if (a.size() != b.size()) return std::numeric_limits<float>::quiet_NaN();
  double dot = 0, of_a = 0, of_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    dot += x * y;
    of_a += x * x;
    of_b += y * y;
  }
  if (!std::isfinite(of_a) || !std::isfinite(of_b)) return std::numeric_limits<float>::quiet_NaN();
  if (of_a == 0 || of_b == 0) return 0;
  // Each root alone: the product of tiny squares would be 0.
  return static_cast<float>(std::clamp(dot / (std::sqrt(of_a) * std::sqrt(of_b)), -1.0, 1.0));
}

}  // namespace troupe::inference
