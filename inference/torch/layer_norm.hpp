#pragma once
// Layer norm in one pass over the memory: LibTorch's reads bf16 twice, and calls through its operators. No Torch types.

#include <cstdint>

namespace troupe::inference {

// y = (x - mean) / sqrt(variance + epsilon) * weight + bias of each of `count` lines of `width` numbers, lines one
// after another; in fp32 inside. A null bias is none. y may be x.
void normalize_lines(const float* x, std::int64_t count, std::int64_t width, const float* weight, const float* bias,
                     double epsilon, float* y) noexcept;
// All in bf16.
void normalize_lines(const std::uint16_t* x, std::int64_t count, std::int64_t width, const std::uint16_t* weight,
                     const std::uint16_t* bias, double epsilon, std::uint16_t* y) noexcept;

}  // namespace troupe::inference
