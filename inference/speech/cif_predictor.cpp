#include "inference/speech/cif_predictor.hpp"

#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros.h>

namespace troupe::inference {

cif_predictor::cif_predictor(const cif_settings& settings, const named_weights& all)
    : settings_(settings), output_(all.linear_at("cif.output")) {
  // From [out, in, 3] to a linear's weight over three frames side by side, [out, 3 * in].
  const auto& weight = all.at("cif.conv.weight");
  conv_ = {weight.permute({0, 2, 1}).contiguous().view({weight.size(0), -1}), all.at("cif.conv.bias")};
}

at::Tensor cif_predictor::operator()(const at::Tensor& h, std::span<const frame_range> rows) const {
  const auto width = h.size(1);
  const auto near = at::zeros({h.size(0), 3 * width}, h.options());
  for (const auto& row : rows) {
    near.narrow(0, row.first, row.length).narrow(1, width, width).copy_(h.narrow(0, row.first, row.length));
    if (row.length < 2) continue;
    near.narrow(0, row.first + 1, row.length - 1).narrow(1, 0, width).copy_(h.narrow(0, row.first, row.length - 1));
    near.narrow(0, row.first, row.length - 1)
        .narrow(1, 2 * width, width)
        .copy_(h.narrow(0, row.first + 1, row.length - 1));
  }
  // What keeps nothing for a number of lines.
  const auto product = [](const linear& l, const at::Tensor& x) { return plain_linear(x, l.weight, l.bias); };
  auto alphas = at::sigmoid(product(output_, at::relu(product(conv_, near)))).view(-1);
  if (settings_.smooth_factor != 1 || settings_.noise_threshold != 0)
    alphas = at::relu(alphas.mul(settings_.smooth_factor).sub(settings_.noise_threshold));
  return alphas;
}

}  // namespace troupe::inference
