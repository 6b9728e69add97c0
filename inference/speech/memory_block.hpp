#pragma once
// The memory block of SAN-M layers (FSMN): a depthwise convolution over time, for each row of a batch alone. For our
// Torch code.

#include <cstddef>
#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

#include "inference/speech/frame_lines.hpp"

namespace troupe::inference {

// y[t] = x[t] + sum over k of taps[k] * x[t + k - left] + added[t], of each row; what is before and behind it is zero.
// x [lines, width], its lines apart as may be; taps [kernel, width] in fp32; added of type `type`, as y, or undefined;
// the sum is in fp32, y made for the layer. x is of that type, too, or bf16. Lines of no row are zero.
at::Tensor memory_block(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                        std::span<const frame_range> rows, const at::Tensor& added, at::ScalarType type);

// A row with what came before it: `past` are the `left` lines before its first, of x's type, oldest first. They become
// the last ones of past and row together.
struct continued_range {
  frame_range frames;
  std::byte* past = nullptr;
};
// The same for rows that continue, all of x's type. REQUIRES left == kernel - 1.
at::Tensor memory_block(const at::Tensor& x, const at::Tensor& taps, std::span<const continued_range> rows,
                        const at::Tensor& added);

}  // namespace troupe::inference
