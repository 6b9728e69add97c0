#pragma once
// TorchScript archives (.pt of torch.jit.save) as a `model`: tensors in, a tensor out.

#include <memory>

#include "inference/loader.hpp"

namespace troupe::inference {

result<std::uint64_t> estimate_torchscript(const artifact_spec& spec, const load_options& options);
result<std::unique_ptr<const model>> load_torchscript(const artifact_spec& spec,
                                                      const load_options& options);

}  // namespace troupe::inference
