#pragma once
// A network without its head. For our Torch code.

#include <ATen/core/Tensor.h>

#include "inference/encoders/packing.hpp"

namespace troupe::inference {

// Immutable; any thread. Throws std::exception. What it is given has been moved to its device.
class encoder_body {
 public:
  virtual ~encoder_body() = default;
  // The last layer's: [tokens, hidden], in the packed order.
  virtual at::Tensor states(const packed_rows& p) const = 0;
  // Those of each row's first token: [rows, rounded up, hidden]. Cheaper where the last layer can leave out the rest.
  virtual at::Tensor first_states(const packed_rows& p) const;
  // The word embedding, which heads may share.
  virtual const at::Tensor& words() const noexcept = 0;
};

}  // namespace troupe::inference
