#include "inference/encoders/named_weights.hpp"

namespace troupe::inference {

named_weights::named_weights(const loaded_weights& weights, const std::string& device) {
  const auto tensors = tensors_of(weights, device);
  for (std::size_t i = 0; i < tensors.size(); ++i) all_.emplace(weights.tensors[i].name, tensors[i]);
}

linear named_weights::linear_at(const std::string& name) const {
  const auto weight = name + ".weight";
  linear made{at(weight), has(name + ".bias") ? at(name + ".bias") : at::Tensor()};
  if (made.weight.scalar_type() != at::kChar) return made;
  made.packed = pack_int8(made.weight, at(scales_of(weight)));
  made.weight = at::Tensor();
  return made;
}

norm named_weights::norm_at(const std::string& name) const {
  return {at(name + ".weight"), has(name + ".bias") ? at(name + ".bias") : at::Tensor()};
}

}  // namespace troupe::inference
