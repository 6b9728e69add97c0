#include "inference/encoders/named_weights.hpp"

#include "inference/torch/bf16_panel_linear.hpp"

namespace troupe::inference {

named_weights::named_weights(const loaded_weights& weights, const std::string& device) {
  const auto tensors = tensors_of(weights, device);
  for (std::size_t i = 0; i < tensors.size(); ++i) all_.emplace(weights.tensors[i].name, tensors[i]);
}

bool named_weights::has_linear(const std::string& name) const {
  return has(name + ".weight") || has(panels_of(name + ".weight"));
}

linear named_weights::linear_at(const std::string& name) const {
  const auto weight = name + ".weight";
  const auto bias = has(name + ".bias") ? at(name + ".bias") : at::Tensor();
  if (has(panels_of(weight))) {
    const auto& panels = at(panels_of(weight));
    keeps_shapes_ = keeps_shapes_ || bf16_panels_keep_shapes(panels);
    return {panels, bias, nullptr, true};
  }
  linear made{at(weight), bias};
  if (made.weight.scalar_type() != at::kChar) {
    keeps_shapes_ = true;
    return made;
  }
  made.packed = pack_int8(made.weight, at(scales_of(weight)));
  keeps_shapes_ = keeps_shapes_ || int8_keeps_shapes(*made.packed);
  made.weight = at::Tensor();
  return made;
}

norm named_weights::norm_at(const std::string& name) const {
  return {at(name + ".weight"), has(name + ".bias") ? at(name + ".bias") : at::Tensor()};
}

}  // namespace troupe::inference
