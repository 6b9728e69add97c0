#include "inference/speech/speech_load.hpp"

#include "inference/torch/device_lane.hpp"
#include "inference/torch/int8_support.hpp"
#include "inference/torch/panel_support.hpp"

namespace troupe::inference {

result<precision> speech_precision(const artifact_spec& spec, const load_options& options) {
  if (is_gpu(options.device))
    return fail(error_code::unprocessable, "models for speech compute on a CPU, not on " + options.device);
  auto what = spec.wanted != precision::automatic ? spec.wanted : options.automatic_precision;
  if (what == precision::automatic) what = precision::fp32;
  if (what == precision::int8 && !has_int8_linear())
    return fail(error_code::unprocessable, "int8 was asked for, in which nothing is computed on this machine");
  return what;
}

weight_request speech_weights(const artifact_spec& spec, const load_options& options, const weight_plan& plan,
                              const std::string& version, precision what) {
  const bool panels = what == precision::fp32 && fp32_in_panels();
  return {plan.tensors, what, spec.path, version, options.store, panels, nullptr, options.cancelled};
}

memory_estimate speech_estimate(const weight_request& request, const weight_plan& plan, std::uint64_t beside) {
  memory_estimate needed;
  needed.private_bytes = beside + plan.private_bytes;
  if (request.target == precision::int8)  // in the layout of the kernel, a byte an element
    for (const auto& t : request.plan)
      if (t.product) needed.private_bytes += static_cast<std::uint64_t>(t.shape.front() * t.shape.back());
  const auto bytes = entry_bytes(request);
  if (request.store.empty()) {
    needed.private_bytes += bytes;
  } else {
    needed.file = store_entry(request).string();
    needed.mapped_bytes = bytes;
  }
  return needed;
}

std::vector<mapping_use> mappings_of(const loaded_weights& weights) {
  if (!weights.memory->shared()) return {};
  return {{weights.memory->id(), weights.memory->bytes().size(), weights.entry.string()}};
}

}  // namespace troupe::inference
