#pragma once
// FSMN-VAD as everybody outside knows it (inference/model/): fed, or asked for a whole sound, it tells where somebody
// speaks. Endpoints are found by the fixed rules of its config.yaml. No Torch types.
//
// A session's state is its detector and what the network still sees of its past: some tens of KB, whatever its age. A
// whole sound is a stepping row, ten seconds a step, so that a long one holds no slot.

#include <memory>
#include <vector>

#include "inference/audio/front_end.hpp"
#include "inference/model/memory_account.hpp"
#include "inference/model/model.hpp"
#include "inference/speech/fsmn_vad.hpp"

namespace troupe::inference {

// Longer sound is refused: it is kept until it is through.
inline constexpr std::uint32_t vad_sound_s_max = 4 * 3600;

// What a model and its instances share and keep alive. Immutable.
struct fsmn_vad_parts {
  fsmn_vad_settings settings;
  std::shared_ptr<const front_end> front;
  std::shared_ptr<memory_account> account;
  std::shared_ptr<const fsmn_vad> network;

  fsmn_vad_parts(fsmn_vad_settings s, std::shared_ptr<const front_end> f, std::shared_ptr<memory_account> a,
                 std::shared_ptr<const fsmn_vad> n)
      : settings(std::move(s)), front(std::move(f)), account(std::move(a)), network(std::move(n)) {}
};

std::unique_ptr<const model> make_fsmn_vad_model(std::shared_ptr<const fsmn_vad_parts> parts, model_info info,
                                                 std::vector<mapping_use> mappings);

}  // namespace troupe::inference
