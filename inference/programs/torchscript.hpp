#pragma once
// TorchScript archives (.pt of torch.jit.save) as a `model`: tensors in, a tensor out.

#include <memory>

#include "inference/model/artifact.hpp"

namespace troupe::inference {

result<memory_estimate> estimate_torchscript(const artifact_spec& spec, const load_options& options);
// `version`: the fingerprint of the files, taken before they are opened; the caller takes it again afterwards.
result<std::unique_ptr<const model>> load_torchscript(const artifact_spec& spec, const load_options& options,
                                                      const std::string& version);

}  // namespace troupe::inference
