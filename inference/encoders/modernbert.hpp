#pragma once
// ModernBERT (Warner et al., 2024): norms before each part instead of behind it, rotary positions, a gated feed-forward
// network, and attention to the neighbourhood in all layers but every third. No Torch types.

#include "inference/encoders/family.hpp"

namespace troupe::inference {

family modernbert();

}  // namespace troupe::inference
