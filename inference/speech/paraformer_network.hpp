#pragma once
// A Paraformer with its weights: features in, ids of tokens and the frames where they fired out; whole utterances, or
// chunks of sessions, many at a time. No Torch types.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "inference/files/weights.hpp"
#include "inference/speech/paraformer_state.hpp"
#include "inference/speech/speech_config.hpp"
#include "inference/torch/device_lane.hpp"

namespace troupe::inference {

struct heard_tokens {
  std::vector<std::int32_t> ids;
  std::vector<std::int64_t> frames;  // where each fired, from the row's first frame on; they rise
};

// A session's next window: the frames before its chunk, the chunk, and what is ahead of it.
struct chunk_row {
  std::span<const float> window;  // [frames, width], scaled and with positions added
  paraformer_state* state = nullptr;
  bool last = false;  // of its utterance: all frames ahead count, and the state starts over
};

// Immutable; any number of threads, each with its own lane. Throws std::exception.
class paraformer_network {
 public:
  virtual ~paraformer_network() = default;
  virtual std::unique_ptr<device_lane> make_lane() const = 0;
  // Of what its sessions keep.
  virtual state_bytes kept_bytes() const noexcept = 0;
  // Rows of sessions of any age and any options. REQUIRES states of this network's shape, each once, whose chunk's
  // frames the window has, or the last one's fewer.
  virtual std::vector<heard_tokens> hear_chunks(std::span<const chunk_row> rows, device_lane& lane) const = 0;
  // Features of whole utterances, [frames, width] each, as the front-end gives them. REQUIRES at least a frame of each.
  virtual std::vector<heard_tokens> hear(std::span<const std::span<const float>> utterances,
                                         device_lane& lane) const = 0;
};

// `weights` as plan_paraformer() planned them, on the CPU. Throws std::exception.
std::shared_ptr<const paraformer_network> make_paraformer_network(const paraformer_settings& settings,
                                                                  loaded_weights weights);

}  // namespace troupe::inference
