#pragma once
// Products by AMX on weights in panels of 32 outputs (panels.hpp), whose four bytes of input lie side by side: pairs in
// bf16, fours in int8. What follows a product is done while the next sums are made, and nothing is kept for a shape.
// For our Torch code.

#include <cstdint>

#include "inference/torch/fused_linear.hpp"

namespace troupe::inference {

// Lines of x, and with the weights' panels those of y: y is never x or the residual. Steps are from line to line.
struct tile_product {
  const void* x = nullptr;       // [rows, line_bytes]
  const void* panels = nullptr;  // [out / 32, line_bytes * 32]
  std::int64_t rows = 0, line_bytes = 0, out = 0;
  std::int64_t x_step_bytes = 0;
};

// has_tiles(), and the line is one of whole tiles.
bool has_tile_product(std::int64_t line_bytes, std::int64_t out) noexcept;

// All bf16: y = x * weights^T + bias + residual, the columns from `from` to `to`, which are multiples of 32; rounded
// once. Of bias and residual either may be null; `after` is of all that. REQUIRES has_tile_product(), a row.
struct half_ending {
  const std::uint16_t *bias = nullptr, *residual = nullptr;
  std::uint16_t* y = nullptr;
  std::int64_t residual_step = 0, y_step = 0;  // numbers
  after_linear after = after_linear::nothing;
};
void multiply_tiles(const tile_product& p, const half_ending& e, std::int64_t from, std::int64_t to) noexcept;

// x and weights signed bytes, each row and each output with a scale; the rest in fp32, y in it or in bf16, which of the
// two is there. Nothing but relu follows.
struct int8_ending {
  const float *row_scales = nullptr, *out_scales = nullptr, *bias = nullptr, *residual = nullptr;
  float* y = nullptr;
  std::uint16_t* half_y = nullptr;
  std::int64_t residual_step = 0, y_step = 0;  // numbers
  bool relu = false;
};
void multiply_tiles(const tile_product& p, const int8_ending& e, std::int64_t from, std::int64_t to) noexcept;

}  // namespace troupe::inference
