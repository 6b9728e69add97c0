#pragma once
// Every token's line of a packed batch, in the order of the batch.

#include <ATen/ops/index_select.h>

#include "inference/encoders/packing.hpp"

namespace troupe::inference {

inline features unpack_tokens(const at::Tensor& lines, const packed_rows& packed, std::span<const token_row> rows) {
  const auto picked = pick_tokens(rows, packed, true);
  return unpack_picked(at::index_select(lines, 0, picked.places), picked);
}

}  // namespace troupe::inference
