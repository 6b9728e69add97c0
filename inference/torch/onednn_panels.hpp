#pragma once
// bf16 weights in panels (panels.hpp) as oneDNN's own packed ones: on CPUs with AMX it packs them just so, and its
// product is the fastest for many rows. For our Torch code.

#include <ATen/core/Tensor.h>

namespace troupe::inference {

// The same memory, which must outlive it, as a weight that fused_linear() takes. Undefined: oneDNN would have this
// shape in another order, or this LibTorch does not show it. Any thread.
at::Tensor as_onednn_weight(const at::Tensor& panels);

}  // namespace troupe::inference
