#pragma once
// Rotary positions (Su et al., RoFormer, 2021), the form that transformers calls "default": of each head's numbers the
// i-th and the (width / 2 + i)-th are turned together, by position * theta^(-2i / width). For our Torch code.

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "inference/encoders/packing.hpp"

namespace troupe::inference {

// What one batch is turned by, in fp32. On a CPU [longest row or more, width / 2], by position; on a GPU [tokens, 1,
// width / 2], by token.
struct rotation {
  at::Tensor cos, sin;
};

// Immutable; any thread.
class rotary {
 public:
  // `width`: of a head, even. `longest`: the longest row that there can be.
  rotary(std::int64_t width, double theta, std::int64_t longest);

  // `gpu`: `p` lies there.
  rotation of(const packed_rows& p, bool gpu) const;

  // Kept for each head's width, in bytes, whatever the rows are.
  static std::uint64_t private_bytes(std::int64_t width, std::int64_t longest) noexcept;

 private:
  at::Tensor frequencies_;  // [width / 2]
  rotation brief_;          // of the positions that most texts have
};

// Turns the first `heads` heads (of the rotation's width) of each line of `x` [tokens, ..], in place. REQUIRES that `x`
// is contiguous and nobody else's.
void rotate(at::Tensor& x, std::int64_t heads, const rotation& by, const packed_rows& p);

}  // namespace troupe::inference
