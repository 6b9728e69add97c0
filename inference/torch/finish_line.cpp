#include "inference/torch/finish_line.hpp"

namespace troupe::inference {

__attribute__((target_clones("avx2", "default"))) void finish_line(float* y, std::int64_t n, float scale,
                                                                   const float* bias, const float* residual) noexcept {
  if (bias != nullptr && residual != nullptr) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = y[i] * scale + (bias[i] + residual[i]);
  } else if (bias != nullptr || residual != nullptr) {
    const auto* add = bias != nullptr ? bias : residual;
    for (std::int64_t i = 0; i < n; ++i) y[i] = y[i] * scale + add[i];
  } else {
    for (std::int64_t i = 0; i < n; ++i) y[i] *= scale;
  }
}

}  // namespace troupe::inference
