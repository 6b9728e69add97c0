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
  // Of the linears that were asked for until now.
  bool all_in_panels() const noexcept { return !gave_other_; }

 private:
  std::unordered_map<std::string, at::Tensor> all_;
  mutable bool gave_other_ = false;
};

}  // namespace troupe::inference
