#pragma once
// Linear layers by the fastest kernel for weights as they lie in a mapped file: oneDNN's, which fuses
// what follows (docs/experiments.md, c: twice as fast as MKL's in fp32), else LibTorch's own. Included
// by our Torch code only.

#include <ATen/core/Tensor.h>

namespace troupe::inference {

enum class after_linear { nothing, gelu, gelu_tanh, relu, silu };

// after(x * weight^T + bias); x is [n, in], weight [out, in].
at::Tensor fused_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                        after_linear after = after_linear::nothing);

// x * weight^T + bias + residual
at::Tensor fused_linear_add(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& residual);

}  // namespace troupe::inference
