#pragma once
// Softmax attention among rows of different lengths that lie packed, each over its own keys and over what its session
// kept of the past, which is read in place. A row's answer does not depend on its neighbours. For our Torch code.

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

#include "inference/speech/key_history.hpp"

namespace troupe::inference {

struct attention_row {
  std::int64_t query = 0, queries = 0;  // lines of q
  std::int64_t key = 0, keys = 0;       // lines of kv
  const key_history* past = nullptr;    // null: none
  at::Tensor mask{};                    // added to the scores, [queries, keys], of q's type; undefined: nothing
};

// q [lines, width], kv [lines, 2 * width] (k beside v), both with lines that lie as may be; `layer` of the past. A mask
// goes with no past. Out: [lines of q, width], made for the layer; lines of no row are zero.
at::Tensor attend_rows(const at::Tensor& q, const at::Tensor& kv, std::int64_t heads,
                       std::span<const attention_row> rows, std::int64_t layer);

}  // namespace troupe::inference
