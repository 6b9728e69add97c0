#pragma once
// Disentangled attention over packed rows: what a token's query finds in another's key, and in how far away that is.
// For our Torch code. Source: DisentangledSelfAttention in transformers' modeling_deberta_v2.py, modeling_deberta.py.
//
//   score(i, j) = (q_i . k_j  +  q_i . K(i - j)  +  k_j . Q(i - j)) / sqrt(width * parts)
//
// K and Q are a layer's projections of the distance embedding. They depend on weights only, so they are made once.

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "inference/encoders/deberta_config.hpp"
#include "inference/encoders/packing.hpp"
#include "inference/torch/fork_join.hpp"

namespace troupe::inference {

// A layer's K and Q, [heads, 2 * span, width], over the scores' scale; undefined: its scores have no such part. Their
// lines run from the farthest token in front to the farthest behind. fp32 on a CPU: products of bf16 there keep memory
// for every shape (layers.cpp), those of fp32 do not.
struct distance_tables {
  at::Tensor keys, queries;
};

// Immutable; any thread.
class distance_attention {
 public:
  // `like`: one of the model's weights.
  distance_attention(const deberta_settings& settings, const at::Tensor& like);

  // `projected`: the distance embedding as a layer projects it, [2 * span, hidden].
  at::Tensor table_of(const at::Tensor& projected) const;

  // For each group that needs them, which line of the tables two tokens have: [length, length]. Once a batch.
  std::vector<at::Tensor> lines_of(const packed_rows& rows) const;

  // [tokens, 3 * hidden] (q, k, v) to [tokens, hidden].
  at::Tensor of_all(const at::Tensor& qkv, const distance_tables& tables, const packed_rows& rows,
                    const std::vector<at::Tensor>& lines) const;
  // Only each row's first token asks: [rows, hidden]. `filler` [rows, rounded up, hidden] gives the lines that round
  // their number up.
  at::Tensor of_firsts(const at::Tensor& qkv, const at::Tensor& filler, const distance_tables& tables,
                       const packed_rows& rows) const;

 private:
  // Rows and heads of a group that are computed at once.
  struct piece {
    std::int64_t first_token, rows, length, first_head, heads;
  };
  enum part : int { query, key, value };

  at::Tensor by_row(const at::Tensor& t, part p, const piece& at) const;
  at::Tensor by_head(const at::Tensor& t, part p, const piece& at) const;
  at::Tensor out_of(const at::Tensor& out, const piece& at) const;
  void attend_whole(const at::Tensor& qkv, const distance_tables& tables, const row_group& g, at::Tensor& out) const;
  // The lines of the tables that rows of one length read.
  struct near_lines {
    const std::vector<std::int32_t>& near;  // of distance 1 - length and on, counted from `low`
    std::int64_t low = 0, count = 0;
  };
  void attend_heads(const at::Tensor& qkv, const distance_tables& tables, const row_group& g, block_range some,
                    const near_lines& lines, at::Tensor& out) const;
  void attend_padded(const at::Tensor& qkv, const distance_tables& tables, const row_group& g, const at::Tensor& lines,
                     at::Tensor& out) const;
  // The distances' part of the scores of each row's first token: [rows, heads, 1, length].
  at::Tensor first_bias(const at::Tensor& q, const at::Tensor& qkv, const distance_tables& tables,
                        const row_group& g) const;
  at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias) const;
  bool on_cpu_unpadded(const row_group& g) const { return !gpu_ && !g.mask.defined(); }

  std::int64_t heads_, hidden_size_, width_, positions_, span_;
  std::int64_t head_stride_, part_stride_;  // between heads, and between q, k and v, within a token's line
  double scale_;
  bool gpu_;
  at::ScalarType table_type_;
  at::Tensor line_of_;               // [2 * positions - 1], int64: of distance j - i, from 1 - positions on
  std::vector<std::int32_t> lines_;  // the same
};

}  // namespace troupe::inference
