#pragma once
// What follows a product of our own calls, line by line. For our Torch code.

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace troupe::inference {

// y[i] = y[i] * scale + bias[i] + residual[i] for n numbers; of bias and residual either may be null.
void finish_line(float* y, std::int64_t n, float scale, const float* bias, const float* residual) noexcept;

// Null: undefined.
inline const float* data_of(const at::Tensor& t) { return t.defined() ? t.const_data_ptr<float>() : nullptr; }

}  // namespace troupe::inference
