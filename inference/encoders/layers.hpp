#pragma once
// What encoders are made of: linears, norms, and attention over packed rows. For our Torch code.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "inference/encoders/activation.hpp"
#include "inference/encoders/packing.hpp"
#include "inference/files/weights.hpp"
#include "inference/torch/fused_linear.hpp"
#include "inference/torch/int8_linear.hpp"
#include "inference/torch/line_room.hpp"
#include "inference/torch/panels.hpp"

namespace troupe::inference {

// Views of `weights`, which must outlive them; on a GPU copies there.
std::vector<at::Tensor> tensors_of(const loaded_weights& weights, const std::string& device);

// Of either the bias may be undefined: there is none. apply() is the one way to use it: a linear in int8 has no weight,
// and one in panels (torch/panels.hpp) has its weight's values in another order.
struct linear {
  at::Tensor weight, bias;
  std::shared_ptr<const int8_weight> packed = nullptr;
  bool panels = false;
  bool defined() const noexcept { return packed != nullptr || weight.defined(); }
  // Whether its outputs before and from `at` on can be had apart.
  bool divides_at(std::int64_t at) const noexcept { return packed == nullptr && (!panels || at % panel_rows == 0); }
};
// Outputs `from` to `from + count` of it. REQUIRES it to divide there.
linear part_of(const linear& l, std::int64_t from, std::int64_t count);
struct norm {
  at::Tensor weight, bias;
};
after_linear after(activation a);

// Each gives way to running batches first (step_aside.hpp). x is [n, in]. What is made for anyone is dense.
at::Tensor apply(const linear& l, const at::Tensor& x, after_linear after = after_linear::nothing,
                 made_for reader = made_for::anyone);
at::Tensor apply_and_add(const linear& l, const at::Tensor& x, const at::Tensor& residual,
                         made_for reader = made_for::anyone);
at::Tensor normalize(const norm& n, const at::Tensor& x, double epsilon, made_for reader = made_for::anyone);
// The type of what apply() makes for a layer.
at::ScalarType layer_type(const linear& l);

// Into how many blocks of heads attention is cut for helpers (torch/fork_join.hpp); `products`: a query's number times
// a key's.
std::uint32_t attention_blocks(std::int64_t heads, std::int64_t products);
// Softmax attention on a CPU in such blocks: q, k and v are [rows, heads, length, width], `added` to the scores, `out`
// [rows, queries, heads, width].
void attend_by_heads(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const std::optional<at::Tensor>& added, const at::Tensor& out);

// Softmax attention of `heads` heads among the tokens of each row, by one kernel for every length: a row's neighbours
// cannot change its answer.
class packed_attention {
 public:
  packed_attention(std::int64_t heads, std::int64_t hidden_size, bool gpu)
      : heads_(heads), hidden_size_(hidden_size), gpu_(gpu) {}

  // [tokens, 3 * hidden] (q, k, v side by side) to [tokens, hidden]. `bias`: what is added to the scores, one for each
  // of the rows' groups, [1, heads or 1, length, length] of the type of qkv or undefined; empty: nothing.
  at::Tensor of_all(const at::Tensor& qkv, const packed_rows& rows, const std::vector<at::Tensor>& bias = {}) const;
  // Only each row's first token asks: [rows, hidden]. `filler` [rows, rounded up, hidden] gives the lines that round
  // their number up.
  at::Tensor of_firsts(const at::Tensor& qkv, const at::Tensor& filler, const packed_rows& rows,
                       const std::vector<at::Tensor>& bias = {}) const;

 private:
  at::Tensor heads_of(const at::Tensor& t, std::int64_t part, std::int64_t first, std::int64_t rows,
                      std::int64_t length) const;
  at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const row_group& g,
                    const at::Tensor& bias) const;

  std::int64_t heads_, hidden_size_;
  bool gpu_;
};

}  // namespace troupe::inference
