#pragma once
// fp32 linear layers on weights in panels (panels.hpp), by LibTorch's exported microkernel
// (at::native::cpublas::brgemm, oneDNN's): nothing is packed a call, so a product of few rows runs at the speed of one
// of many, and the weights may be mapped. Measured on AVX2, GFLOP/s a core, 8, 32 and 256 rows: 80, 96, 97; MKL's plain
// product 40, 77, 95. Included by our Torch code only.

#include <ATen/core/Tensor.h>

#include "inference/torch/fused_linear.hpp"
#include "inference/torch/panel_support.hpp"

namespace troupe::inference {

// This LibTorch exports the kernel, and it gives the right sums here.
bool has_panel_linear();

// after(x * weight^T + bias + residual) in fp32. x is [n, in]; `panels` has the shape of the weight, [out, in], and its
// values in panels' order: any 32 rows of it are one panel, contiguous. bias and residual may be undefined. A row's
// answer does not depend on its neighbours but for last bits. REQUIRES has_panel_linear(), out a multiple of 32.
at::Tensor panel_linear(const at::Tensor& x, const at::Tensor& panels, const at::Tensor& bias,
                        const at::Tensor& residual, after_linear after);

}  // namespace troupe::inference
