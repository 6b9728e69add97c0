#pragma once
// What FunASR's encoders do to features before the first layer: times the square root of the layers' width, plus sines
// and cosines of the position. In fp32, step by step as the reference, whose sines of large positions depend on it. No
// Torch types.

#include <cstdint>
#include <span>

namespace troupe::inference {

// frames [n, width] in place; the first has position `before` + 1. REQUIRES an even width of at least 4.
void scale_and_place(std::span<float> frames, std::int64_t width, std::int64_t layer_width, std::int64_t before);

// Only the factor.
void scale_frames(std::span<float> frames, std::int64_t layer_width);

}  // namespace troupe::inference
