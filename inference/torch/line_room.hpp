#pragma once
// Where lines lie that products by tiles read and write. For our Torch code.

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace troupe::inference {

// Who reads what is made. `layer`: our own kernels alone, within the layer: its lines lie as line_room() has them, and
// a product in int8 by tiles may round it to bf16.
enum class made_for { anyone, layer };

// [rows, width], as it comes. For a layer, where there are tiles, lines are an odd number of the cache's lines apart: a
// tile's 16, and a column of a product's, would else fall upon few of its places (512 -> 2048 in bf16, 480 rows: 1270
// GFLOP/s, so 1470).
at::Tensor line_room(std::int64_t rows, std::int64_t width, const at::TensorOptions& options, made_for reader);

// As it is where each line's numbers are neighbours, else a dense copy.
at::Tensor with_whole_lines(const at::Tensor& x);

}  // namespace troupe::inference
