#include "inference/speech/fsmn_vad_load.hpp"

#include "inference/files/checkpoint.hpp"
#include "inference/speech/fsmn_vad_model.hpp"
#include "inference/speech/speech_load.hpp"
#include "inference/torch/memory.hpp"

namespace troupe::inference {
namespace {

// Every header is checked, no weights are read.
struct opened_fsmn_vad {
  fsmn_vad_settings settings;
  checkpoint source;
  weight_plan plan;
};

result<opened_fsmn_vad> open(const funasr_folder& folder) {
  auto settings = read_fsmn_vad_settings(folder.config);
  if (!settings) return tl::unexpected(settings.error());
  auto source = checkpoint::open_torch_file(folder.path() / "model.pt", folder.options.max_artifact_bytes);
  if (!source) return tl::unexpected(source.error());
  auto plan = plan_fsmn_vad(settings->network, *source);
  if (!plan) return tl::unexpected(plan.error());
  return opened_fsmn_vad{std::move(*settings), std::move(*source), std::move(*plan)};
}

}  // namespace

result<memory_estimate> estimate_fsmn_vad(const funasr_folder& folder) {
  const auto what = speech_precision(folder.spec, folder.options);
  if (!what) return tl::unexpected(what.error());
  const auto opened = open(folder);
  if (!opened) return tl::unexpected(opened.error());
  return speech_estimate(folder, opened->plan, *what, 0);
}

result<std::unique_ptr<const model>> load_fsmn_vad(const funasr_folder& folder) {
  const auto what = speech_precision(folder.spec, folder.options);
  if (!what) return tl::unexpected(what.error());
  auto opened = open(folder);
  if (!opened) return tl::unexpected(opened.error());
  auto front = speech_front_end(folder, opened->settings.front);
  if (!front) return tl::unexpected(front.error());
  if (is_cancelled(folder.options.cancelled)) return cancelled_error();

  auto info = speech_info(folder, "FsmnVADStreaming", task::voice_activity_detection, opened->plan, *what);
  info.hidden_size = opened->settings.network.size;
  info.num_hidden_layers = opened->settings.network.layers;
  info.stateful = true;
  auto account = std::make_shared<memory_account>();
  const account_scope charged(account);
  auto weights = load_speech_weights(folder, opened->plan, opened->source, *what, account, info);
  if (!weights) return tl::unexpected(weights.error());
  auto mappings = mappings_of(*weights);
  auto network = make_fsmn_vad(opened->settings, std::move(*weights));
  auto parts = std::make_shared<fsmn_vad_parts>(std::move(opened->settings), std::move(*front), std::move(account),
                                                std::move(network));
  return make_fsmn_vad_model(std::move(parts), std::move(info), std::move(mappings));
}

}  // namespace troupe::inference
