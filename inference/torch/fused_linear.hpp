#pragma once
// Linear layers by the fastest kernel for weights as they lie in a mapped file: oneDNN's, which fuses what follows,
// or LibTorch's own (MKL's product). Which is faster in fp32 depends on the CPU: twice as fast as the other here
// (AVX-512; docs/experiments.md, c), a fifth slower there (AVX2), so it is measured (kernel_speed.cpp). With helpers
// (fork_join.hpp) a product is cut by its columns; last bits may differ from a whole one's. Included by our Torch code
// only.

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace troupe::inference {

enum class linear_kernel { onednn, aten };

// For fp32 on the CPU, the whole process; oneDNN's until it is called. Any thread, before models run.
void use_fp32_linear(linear_kernel kernel) noexcept;

enum class after_linear { nothing, gelu, gelu_tanh, relu, silu };

// Blocks of columns that a product is cut into, for the helpers that this thread has (fork_join.hpp).
std::uint32_t linear_blocks(std::int64_t rows, std::int64_t in, std::int64_t out);

// after(y), in place.
at::Tensor activated(at::Tensor y, after_linear after);

// after(x * weight^T + bias); x is [n, in], weight [out, in]; an undefined bias is none.
at::Tensor fused_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                        after_linear after = after_linear::nothing);

// x * weight^T + bias, always by LibTorch's own kernel, which keeps nothing for a shape.
at::Tensor plain_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// x * weight^T + bias + residual
at::Tensor fused_linear_add(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& residual);

}  // namespace troupe::inference
