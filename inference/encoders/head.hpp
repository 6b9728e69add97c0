#pragma once
// What a class puts on its network. For our Torch code.

#include <ATen/core/Tensor.h>

#include "inference/encoders/body.hpp"
#include "inference/encoders/head_recipe.hpp"
#include "inference/encoders/named_weights.hpp"

namespace troupe::inference {

// In place.
void activate(at::Tensor& x, head_activation act);

class encoder_head {
 public:
  // `words`: the network's, for a head that is tied to it.
  encoder_head(const head_recipe& recipe, const named_weights& weights, const at::Tensor& words);

  head_recipe::input input() const noexcept { return recipe_.of; }
  // [n, hidden] to [n, logits], in fp32.
  at::Tensor operator()(const at::Tensor& states) const;

 private:
  head_recipe recipe_;
  linear dense_, out_;
  norm norm_;
};

// The mean of each row's tokens, [rows, hidden] in fp32, in the packed order.
at::Tensor row_means(const at::Tensor& states, const packed_rows& p);

}  // namespace troupe::inference
