#pragma once
// head_attention.hpp's attention in bf16 by AMX: keys are multiplied where the general way takes four times as long.
// No Torch types.

#include "inference/torch/head_attention.hpp"

namespace troupe::inference {

// The CPU and the system have AMX for bf16, nothing in the environment limits oneDNN to less, and the width is a
// multiple of 32.
bool has_tile_attention(std::int64_t width) noexcept;

// REQUIRES has_tile_attention(), numbers in bf16. Leaves the tiles as nobody's.
void attend_by_tiles(const head_attention& a, attention_scratch& scratch);

}  // namespace troupe::inference
