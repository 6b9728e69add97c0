#include "inference/speech/speech_load.hpp"

#include "inference/torch/device_lane.hpp"
#include "inference/torch/int8_support.hpp"
#include "inference/torch/panel_support.hpp"

namespace troupe::inference {
namespace {

weight_request request_of(const funasr_folder& folder, const weight_plan& plan, precision what) {
  const bool panels = (what == precision::fp32 && fp32_in_panels()) || (what == precision::bf16 && bf16_in_panels());
  return {plan.tensors,         what,   folder.path(), folder.version,
          folder.options.store, panels, nullptr,       folder.options.cancelled};
}

}  // namespace

result<precision> speech_precision(const artifact_spec& spec, const load_options& options) {
  if (is_gpu(options.device))
    return fail(error_code::unprocessable, "models for speech compute on a CPU, not on " + options.device);
  auto what = spec.wanted != precision::automatic ? spec.wanted : options.automatic_precision;
  if (what == precision::automatic) what = precision::fp32;
  if (what == precision::int8 && !has_int8_linear())
    return fail(error_code::unprocessable, "int8 was asked for, in which nothing is computed on this machine");
  return what;
}

memory_estimate speech_estimate(const funasr_folder& folder, const weight_plan& plan, precision what,
                                std::uint64_t beside) {
  const auto request = request_of(folder, plan, what);
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

model_info speech_info(const funasr_folder& folder, std::string architecture, task does, const weight_plan& plan,
                       precision what) {
  model_info info;
  info.architecture = std::move(architecture);
  info.format = "funasr";
  info.precision = std::string(to_string(what));
  info.device = "cpu";
  info.tasks = {does};
  info.version = folder.version;
  info.parameters = plan.parameters;
  info.lone = lone_use::shares_cores;
  return info;
}

result<std::shared_ptr<const front_end>> speech_front_end(const funasr_folder& folder,
                                                          const front_end_settings& settings) {
  auto norm = read_cmvn(folder.path() / "am.mvn", settings.fbank.mels * settings.lfr_m);
  if (!norm) return tl::unexpected(norm.error());
  return front_end::make(settings, std::move(*norm));
}

result<loaded_weights> load_speech_weights(const funasr_folder& folder, const weight_plan& plan,
                                           const checkpoint& source, precision what,
                                           std::shared_ptr<memory_account> account, model_info& info) {
  auto request = request_of(folder, plan, what);
  request.account = std::move(account);
  auto weights = load_weights(request, source);
  if (weights && !weights->notes.empty()) info.notes += (info.notes.empty() ? "" : "; ") + weights->notes;
  return weights;
}

std::vector<mapping_use> mappings_of(const loaded_weights& weights) {
  if (!weights.memory->shared()) return {};
  return {{weights.memory->id(), weights.memory->bytes().size(), weights.entry.string()}};
}

}  // namespace troupe::inference
