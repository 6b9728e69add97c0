#include "inference/encoders/head_recipe.hpp"

namespace troupe::inference {

result<void> head_recipe::plan(plan_writer& to, const encoder_shape& shape) const {
  const bool fp32 = !whole_vocabulary;
  const auto width = dense.empty() ? shape.hidden_size : dense_rows != 0 ? dense_rows : shape.hidden_size;
  if (!dense.empty()) {
    to.tensor("head.dense.weight", {width, shape.hidden_size}, {dense + ".weight"}, fp32);
    if (dense_bias) to.tensor("head.dense.bias", {width}, {dense + ".bias"}, fp32);
  }
  if (!norm.empty()) to.norm("head.norm", width, norm, norm_bias, fp32);
  auto& plan = to.plan();
  if (whole_vocabulary) {
    plan.logits = shape.vocab_size;
  } else {
    const auto* last = to.look(out + ".weight");
    if (last == nullptr || last->shape.size() != 2 || last->shape[0] < 1)
      return fail(error_code::unprocessable, "the checkpoint lacks tensor '" + out + ".weight', a matrix",
                  "a checkpoint of the class that config.json names");
    plan.logits = last->shape[0];
  }
  const bool shared = tied && (!to.has(out + ".weight") || to.same_place(out + ".weight", words + ".weight"));
  if (!shared) to.tensor("head.out.weight", {plan.logits, width}, {out + ".weight"}, fp32);
  if (!has_out_bias) return {};
  // transformers ties it with the weight; an untied linear has its own, which older files leave out.
  const bool by_name = !out_bias.empty() && to.has(out_bias) && (tied || !to.has(out + ".bias"));
  to.tensor("head.out.bias", {plan.logits}, {by_name ? out_bias : out + ".bias"}, fp32);
  return {};
}

}  // namespace troupe::inference
