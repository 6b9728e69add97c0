#pragma once
// What config.yaml of an FSMN-VAD checkpoint (FsmnVADStreaming) says, checked and bounded, and where its weights are.
// No Torch.

#include <cstdint>
#include <vector>

#include "inference/encoders/encoder.hpp"
#include "inference/files/checkpoint.hpp"
#include "inference/files/model_yaml.hpp"
#include "inference/speech/endpoints.hpp"
#include "inference/speech/speech_config.hpp"

namespace troupe::inference {

struct fsmn_settings {
  std::int64_t input_size = 0, input_inner_size = 0, layers = 0, size = 0, memory_size = 0;
  std::int64_t kernel = 0;  // frames that the memory block sees, the one that it is for being the last
  std::int64_t output_inner_size = 0, output_size = 0;

  // Frames before one that decide on it, at most.
  std::int64_t past_frames() const noexcept { return layers * (kernel - 1); }
};

struct fsmn_vad_settings {
  fsmn_settings network;
  front_end_settings front;
  endpoint_settings endpoints;                // the fixed rules
  std::vector<std::int64_t> silence_classes;  // of the network's outputs
};

// unprocessable: says where, and what is known.
result<fsmn_vad_settings> read_fsmn_vad_settings(const model_yaml& config);

// Every tensor is there, with the right shape and a type that can be converted; else unprocessable.
result<weight_plan> plan_fsmn_vad(const fsmn_settings& settings, const checkpoint& source);

}  // namespace troupe::inference
