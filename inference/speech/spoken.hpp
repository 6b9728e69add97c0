#pragma once
// From what a network heard to a transcript: tokens and their times. No Torch types.

#include <cstdint>

#include "inference/model/outputs.hpp"
#include "inference/speech/detokenize.hpp"
#include "inference/speech/paraformer_network.hpp"

namespace troupe::inference {

struct sound_frames {
  std::int64_t first = 0;  // where the network's frame 0 is in the sound
  std::int64_t heard = 0;  // of the sound by now: the last token ends there at the latest
  double frame_s = 0.06;
};

// The tokens that were said, without special ones. A token begins a frame and a half before it fired and ends where the
// next one of the same step begins, after at most twelve frames: FunASR's rule for its models, whose fires come late.
// The text is not set: that is the detokenizer's.
transcript spoken(const heard_tokens& heard, const speech_vocabulary& tokens, const sound_frames& frames);

}  // namespace troupe::inference
