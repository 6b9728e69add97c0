#pragma once
// Linear layers in int8: weights with a scale a row, activations with a scale a token, made when they come ("dynamic"),
// products by AMX' tiles (tile_product.hpp), else by oneDNN (onednn::qlinear_pointwise, which takes plain int8 tensors:
// PyTorch has announced the end of its quantized types). A scale a token, not a batch: a row's answer must not depend
// on its neighbours. Where there are tiles, what lies between the products of a layer is bf16: they are so fast that
// the rest is memory. Included by our Torch code only.

#include <memory>

#include <ATen/core/Tensor.h>

#include "inference/torch/fused_linear.hpp"
#include "inference/torch/line_room.hpp"

namespace troupe::inference {

// A matrix in the layout that this CPU's kernel reads. Immutable; private memory, a byte an element.
class int8_weight;

// The CPU and this LibTorch have the kernel.
bool has_int8_linear();

// `weight` [out, in] int8, `scales` [out] fp32. Throws std::exception where there is no kernel.
std::shared_ptr<const int8_weight> pack_int8(const at::Tensor& weight, const at::Tensor& scales);

// Whether products with it keep something for a number of rows, which should then be one of few.
bool int8_keeps_shapes(const int8_weight& weight) noexcept;

// What is made for a layer is bf16 here, whatever the weight's kernel.
bool int8_layers_round() noexcept;

// after(x * weight^T + bias + residual); x is [n, in] fp32 or bf16, the rest fp32 but for what is made for a layer (see
// above); bias and residual may be undefined.
at::Tensor int8_linear(const at::Tensor& x, const int8_weight& weight, const at::Tensor& bias,
                       const at::Tensor& residual, after_linear after, made_for reader = made_for::anyone);

}  // namespace troupe::inference
