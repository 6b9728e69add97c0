#pragma once
// Packed execution: the rows' tokens lie one after another, [tokens, hidden], and only attention knows where one row
// ends. Nothing is padded on a CPU, so a row's answer cannot depend on what it is batched with. For our Torch code.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "inference/encoders/encoder.hpp"

namespace troupe::inference {

// So many lines are computed for so many tokens where products keep something for every number of them: a few numbers
// an octave. Lines of no token are nobody's.
std::int64_t rounded_tokens(std::int64_t tokens) noexcept;

// `rows` rows of `length` tokens each, from token `first` and row `first_row` on.
struct row_group {
  std::int64_t first = 0, first_row = 0, rows = 0, length = 0;
  at::Tensor mask;     // additive [rows, 1, 1, length]; undefined: nothing is padded
  bool spare = false;  // no row: tokens that round the batch up
};

// A batch in the order in which it is computed: shortest first.
struct packed_rows {
  at::Tensor ids, positions;  // [tokens], int32
  at::Tensor types;           // [tokens], int32; undefined: all 0
  at::Tensor firsts;          // [rows, rounded up]: where each row's first token lies
  std::vector<row_group> groups;
  std::int64_t rows = 0;
  std::vector<std::size_t> order;  // order[i]: which row of the batch is the i-th here

  // To where the model's weights are; `like`: one of them.
  void to(const at::Tensor& like);
};

// `padded`: one group, all as long as the longest; for a GPU. `few_shapes`: for products that keep something for every
// number of tokens; else it is only rounded up to a multiple of 8. REQUIRES rows.
packed_rows pack(std::span<const token_row> rows, bool padded, bool few_shapes = true);

// `lines` [rows or more, width] of the packed order, as the batch has them.
features unpack_rows(const at::Tensor& lines, const packed_rows& packed);
// Where the tokens lie whose lines are wanted, in the order of the batch.
struct picked_tokens {
  at::Tensor places;                  // [picked, rounded up], int32
  std::vector<std::size_t> first_of;  // as features has it
};
// `rows` as they were packed. `exact`: nothing is rounded up.
picked_tokens pick_tokens(std::span<const token_row> rows, const packed_rows& packed, bool exact);
// `lines` [picked or more, width] as they were picked.
features unpack_picked(const at::Tensor& lines, const picked_tokens& picked);

}  // namespace troupe::inference
