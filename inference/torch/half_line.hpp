#pragma once
// What follows a product in bf16 whose sums are fp32 (bf16_panel_linear.hpp), in one pass. For our Torch code.

#include <cstdint>

#include "inference/torch/fused_linear.hpp"

namespace troupe::inference {

// y = after(sums + bias + residual) of `count` lines of panel_rows numbers, rounded to bf16, to the nearest, even. The
// sums' lines lie one after another, those of residual and y `width` apart. Of bias and residual either may be null.
void half_lines(const float* sums, std::int64_t count, const std::uint16_t* bias, const std::uint16_t* residual,
                std::uint16_t* y, std::int64_t width, after_linear after) noexcept;

}  // namespace troupe::inference
