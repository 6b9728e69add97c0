#pragma once
// Paraformers as everybody outside knows them (inference/model/): streaming ones, which are fed, and offline ones,
// which take whole utterances. No Torch types.

#include <memory>
#include <vector>

#include "inference/audio/front_end.hpp"
#include "inference/model/memory_account.hpp"
#include "inference/model/model.hpp"
#include "inference/speech/detokenize.hpp"
#include "inference/speech/paraformer_network.hpp"
#include "inference/speech/speech_config.hpp"

namespace troupe::inference {

// Longer sound is refused: attention's cost grows with its square. A VAD cuts it at pauses.
inline constexpr std::uint32_t utterance_s_max = 300;

// What a model and its instances share and keep alive. Immutable once the model is made.
struct paraformer_parts {
  paraformer_settings settings;
  std::shared_ptr<const front_end> front;
  std::shared_ptr<const speech_vocabulary> tokens;
  std::shared_ptr<const paraformer_network> network;
  std::shared_ptr<memory_account> account;
  std::uint64_t charged_bytes = 0;  // of the account, for what its allocator does not see
  double frame_s() const noexcept { return settings.front.fbank.frame_shift_ms / 1000 * settings.front.lfr_n; }
  ~paraformer_parts();
};

// By settings.streaming. REQUIRES a vocabulary as wide as the network's scores.
std::unique_ptr<const model> make_paraformer_streaming(std::shared_ptr<const paraformer_parts> parts, model_info info,
                                                       std::vector<mapping_use> mappings);
std::unique_ptr<const model> make_paraformer_offline(std::shared_ptr<const paraformer_parts> parts, model_info info,
                                                     std::vector<mapping_use> mappings);

}  // namespace troupe::inference
