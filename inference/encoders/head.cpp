#include "inference/encoders/head.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tanh.h>

namespace troupe::inference {
void activate(at::Tensor& x, head_activation act) {
  switch (act) {
    case head_activation::gelu: at::gelu_(x); break;
    case head_activation::gelu_tanh: at::gelu_(x, "tanh"); break;
    case head_activation::relu: at::relu_(x); break;
    case head_activation::silu: at::silu_(x); break;
    case head_activation::tanh: at::tanh_(x); break;
  }
}

encoder_head::encoder_head(const head_recipe& recipe, const named_weights& weights, const at::Tensor& words)
    : recipe_(recipe) {
  if (!recipe.dense.empty()) dense_ = weights.linear_at("head.dense");
  if (!recipe.norm.empty()) norm_ = weights.norm_at("head.norm");
  out_ = {weights.has("head.out.weight") ? weights.at("head.out.weight") : words,
          weights.has("head.out.bias") ? weights.at("head.out.bias") : at::Tensor()};
}

at::Tensor encoder_head::operator()(const at::Tensor& states) const {
  auto x = states.to(out_.weight.scalar_type());
  if (dense_.weight.defined()) {
    x = plain_linear(x, dense_.weight, dense_.bias);
    activate(x, recipe_.act);
  }
  if (norm_.weight.defined()) x = normalize(norm_, x, recipe_.norm_epsilon);
  return plain_linear(x, out_.weight, out_.bias).to(at::kFloat);
}

at::Tensor row_means(const at::Tensor& states, const packed_rows& p) {
  std::vector<at::Tensor> parts;
  const auto hidden = states.size(1);
  for (const auto& g : p.groups) {
    if (g.spare) continue;
    const auto group = states.narrow(0, g.first, g.rows * g.length).view({g.rows, g.length, hidden}).to(at::kFloat);
    if (!g.mask.defined()) {
      parts.push_back(group.mean(1));
      continue;
    }
    // Padded: the mask is 0 where there is a token.
    const auto there = g.mask.view({g.rows, g.length, 1}).eq(0).to(at::kFloat);
    parts.push_back(group.mul(there).sum(1).div(there.sum(1)));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

}  // namespace troupe::inference
