#pragma once
// Continuous integrate-and-fire (CifPredictorV2): each frame has a weight; where their sum reaches the threshold, the
// weighted sum of the frames becomes one token's vector. In fp32 whatever the model computes in: small errors would
// move tokens. No Torch types; what makes the weights of frames is cif_predictor.hpp.

#include <cstdint>
#include <span>
#include <vector>

#include "inference/speech/speech_config.hpp"

namespace troupe::inference {

// Vectors of tokens, one after another, and the frame at which each fired.
struct fired_tokens {
  std::vector<float> vectors;
  std::vector<std::int64_t> frames;
};

// What is left of a session's frames: their weight and their weighted mean.
struct cif_rest {
  float* weight = nullptr;  // below the threshold
  std::span<float> frame;
};

// One chunk of a session. `weights` of its window's frames, [frames], and `frames` [frames, width]; only those from
// `first` to `end` count (the last chunk: to the window's end, and a frame of zeros with the tail's weight behind it).
// Appends what fires.
void integrate_chunk(const cif_settings& settings, std::span<const float> weights, std::span<const float> frames,
                     std::int64_t first, std::int64_t end, bool last, cif_rest rest, fired_tokens& out);

// A whole utterance: fires where the sum, in double precision, passes a whole number. Appends what fires.
void integrate_whole(const cif_settings& settings, std::span<const float> weights, std::span<const float> frames,
                     std::int64_t width, fired_tokens& out);

}  // namespace troupe::inference
