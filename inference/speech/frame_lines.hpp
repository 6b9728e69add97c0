#pragma once
// Rows of a batch that lie packed as lines of one tensor. For our Torch code.

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

namespace troupe::inference {

// Frames of a row: lines [first, first + length) of a batch's.
struct frame_range {
  std::int64_t first = 0, length = 0;
};

// Room for what is made of each row, [lines, width], made for the layer (line_room.hpp): as it comes but for lines of
// no row, which are zero.
at::Tensor room_of_rows(std::int64_t lines, std::int64_t width, const at::TensorOptions& options,
                        std::span<const frame_range> rows);

}  // namespace troupe::inference
