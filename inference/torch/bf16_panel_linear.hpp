#pragma once
// bf16 linear layers on weights in panels (panels.hpp), as fp32 has them (panel_linear.hpp), where the CPU has
// AVX512-BF16 or AMX: oneDNN's own product puts plain weights into another order at each call. Included by our Torch
// code only.

#include <ATen/core/Tensor.h>

#include "inference/torch/fused_linear.hpp"
#include "inference/torch/line_room.hpp"
#include "inference/torch/panel_support.hpp"

namespace troupe::inference {

// The CPU and this LibTorch have the kernel, and it gives the right sums here.
bool has_bf16_panel_linear();

// Whether products on these panels keep something for a number of rows, which should then be one of few. Not by AMX
// (tile_product.hpp); oneDNN's do, where they are called for many rows. False: not bf16.
bool bf16_panels_keep_shapes(const at::Tensor& panels);

// As panel_linear(), all in bf16: sums, bias, residual and what follows are fp32, rounded once. REQUIRES
// has_bf16_panel_linear(), out a multiple of 32, in of 2.
at::Tensor bf16_panel_linear(const at::Tensor& x, const at::Tensor& panels, const at::Tensor& bias,
                             const at::Tensor& residual, after_linear after, made_for reader = made_for::anyone);

}  // namespace troupe::inference
