#include "inference/speech/paraformer_load.hpp"

#include "inference/files/checkpoint.hpp"
#include "inference/speech/paraformer_model.hpp"
#include "inference/speech/paraformer_plan.hpp"
#include "inference/speech/speech_load.hpp"
#include "inference/torch/memory.hpp"

namespace troupe::inference {
namespace {

// Every header is checked, no weights are read.
struct opened_paraformer {
  paraformer_settings settings;
  std::shared_ptr<const speech_vocabulary> tokens;
  checkpoint source;
  weight_plan plan;
};

result<opened_paraformer> open(const funasr_folder& folder) {
  auto settings = read_paraformer_settings(folder.config);
  if (!settings) return tl::unexpected(settings.error());
  auto tokens = speech_vocabulary::read(folder.path() / "tokens.json");
  if (!tokens) return tl::unexpected(tokens.error());
  settings->decoder.vocab_size = (*tokens)->size();
  auto source = checkpoint::open_torch_file(folder.path() / "model.pt", folder.options.max_artifact_bytes);
  if (!source) return tl::unexpected(source.error());
  auto plan = plan_paraformer(*settings, *source);
  if (!plan) return tl::unexpected(plan.error());
  return opened_paraformer{std::move(*settings), std::move(*tokens), std::move(*source), std::move(*plan)};
}

// Vocabulary, front-end, and what a network has beside its weights.
std::uint64_t bytes_beside(const opened_paraformer& opened) {
  constexpr std::uint64_t other_bytes = 64U << 10U;
  return opened.tokens->memory_bytes() + other_bytes;
}

model_info info_of(const funasr_folder& folder, const opened_paraformer& opened, precision what) {
  const auto& s = opened.settings;
  auto info = speech_info(folder, s.streaming ? "ParaformerStreaming" : "Paraformer",
                          task::automatic_speech_recognition, opened.plan, what);
  info.hidden_size = s.encoder.size;
  info.num_hidden_layers = s.encoder.layers + s.decoder.layers;
  info.num_attention_heads = s.encoder.heads;
  info.vocab_size = s.decoder.vocab_size;
  return info;
}

}  // namespace

result<memory_estimate> estimate_paraformer(const funasr_folder& folder) {
  const auto what = speech_precision(folder.spec, folder.options);
  if (!what) return tl::unexpected(what.error());
  const auto opened = open(folder);
  if (!opened) return tl::unexpected(opened.error());
  return speech_estimate(folder, opened->plan, *what, bytes_beside(*opened));
}

result<std::unique_ptr<const model>> load_paraformer(const funasr_folder& folder) {
  const auto what = speech_precision(folder.spec, folder.options);
  if (!what) return tl::unexpected(what.error());
  auto opened = open(folder);
  if (!opened) return tl::unexpected(opened.error());
  auto front = speech_front_end(folder, opened->settings.front);
  if (!front) return tl::unexpected(front.error());
  if (is_cancelled(folder.options.cancelled)) return cancelled_error();

  auto parts = std::make_shared<paraformer_parts>();
  parts->account = std::make_shared<memory_account>();
  parts->charged_bytes = bytes_beside(*opened);
  parts->account->charge(parts->charged_bytes);
  const account_scope charged(parts->account);
  auto info = info_of(folder, *opened, *what);
  auto weights = load_speech_weights(folder, opened->plan, opened->source, *what, parts->account, info);
  if (!weights) return tl::unexpected(weights.error());
  auto mappings = mappings_of(*weights);
  parts->settings = opened->settings;
  parts->front = std::move(*front);
  parts->tokens = opened->tokens;
  parts->network = make_paraformer_network(opened->settings, std::move(*weights));
  return opened->settings.streaming ? make_paraformer_streaming(std::move(parts), std::move(info), std::move(mappings))
                                    : make_paraformer_offline(std::move(parts), std::move(info), std::move(mappings));
}

}  // namespace troupe::inference
