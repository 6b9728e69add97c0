#include "inference/torchscript.hpp"

namespace troupe::inference {
result<std::uint64_t> estimate_torchscript(const artifact_spec&, const load_options&) {
  return fail(error_code::unprocessable, "TorchScript is not there yet");
}
result<std::unique_ptr<const model>> load_torchscript(const artifact_spec&, const load_options&) {
  return fail(error_code::unprocessable, "TorchScript is not there yet");
}
}  // namespace troupe::inference
