#pragma once
// Whether int8 is computed here (inference/torch/int8_linear.hpp), for those who do not see Torch.

namespace troupe::inference {

// The CPU and this LibTorch have the kernel.
bool has_int8_linear();

}  // namespace troupe::inference
