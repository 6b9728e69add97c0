#pragma once
// A checkpoint's weights by the names that its plan gave them. For our Torch code.

#include <string>
#include <unordered_map>

#include <ATen/core/Tensor.h>

#include "inference/encoders/layers.hpp"
#include "inference/files/weights.hpp"

namespace troupe::inference {

// Views of `weights`, whose memory must outlive them; on a GPU copies there.
class named_weights {
 public:
  named_weights(const loaded_weights& weights, const std::string& device);

  bool has(const std::string& name) const { return all_.contains(name); }
  // Throws std::out_of_range: the plan has no such tensor.
  const at::Tensor& at(const std::string& name) const { return all_.at(name); }
  bool has_linear(const std::string& name) const;  // in whatever layout its weight is
  // A bias that was not planned is undefined.
  linear linear_at(const std::string& name) const;
  norm norm_at(const std::string& name) const;
  // Whether one of the linears that were asked for until now keeps something for a number of tokens.
  bool keep_shapes() const noexcept { return keeps_shapes_; }

 private:
  std::unordered_map<std::string, at::Tensor> all_;
  mutable bool keeps_shapes_ = false;
};

}  // namespace troupe::inference
