#pragma once
// Attention to the neighbourhood: each token looks at those that lie at most `reach` places before or behind it. A long
// row is computed block by block, each block with the tokens that it can see, so that work and memory grow with the
// row and not with its square. For our Torch code.

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

#include "inference/encoders/packing.hpp"

namespace troupe::inference {

// Immutable; any thread.
class local_attention {
 public:
  // `like`: a weight of the model, for its type and device.
  local_attention(std::int64_t heads, std::int64_t hidden_size, std::int64_t reach, const at::Tensor& like);

  // As packed_attention's (layers.hpp): a row's neighbours in the batch cannot change its answer.
  at::Tensor of_all(const at::Tensor& qkv, const packed_rows& rows) const;
  at::Tensor of_firsts(const at::Tensor& qkv, const at::Tensor& filler, const packed_rows& rows) const;

  // What it keeps, at most.
  static std::uint64_t private_bytes(std::int64_t reach) noexcept;

 private:
  at::Tensor heads_of(const at::Tensor& t, std::int64_t part, const row_group& g, std::int64_t from,
                      std::int64_t count) const;
  // `out`: [rows, queries, heads, width].
  void attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::optional<at::Tensor>& added,
              const at::Tensor& out) const;
  std::optional<at::Tensor> band(const row_group& g, std::int64_t from, std::int64_t to, std::int64_t first,
                                 std::int64_t last) const;

  std::int64_t heads_, hidden_size_, reach_;
  bool gpu_;
  std::int64_t block_;  // tokens
  at::Tensor
      band_;  // [1, 1, block, block + 2 * reach], added to a block's scores; row i sees columns i to i + 2 * reach
};

}  // namespace troupe::inference
