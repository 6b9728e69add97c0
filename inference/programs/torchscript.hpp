#pragma once
// TorchScript archives (.pt of torch.jit.save) as a `model`: tensors in, a tensor out.

#include "inference/model/format.hpp"

namespace troupe::inference {

// A row of the table of formats.
format torchscript_format();

}  // namespace troupe::inference
