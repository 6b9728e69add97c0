#pragma once
// What is spoken in a recording to the segments that a model for whole sounds is asked: each utterance is one, and one
// that is too long is cut (sound_cut.hpp). Pure; no clock, no threads.
//
// An utterance that begins where the one before it ends goes on with it: a model for voice activity ended that one for
// its length alone. Others are never joined. However utterances are cut into pieces, the segments are the same.

#include <cstdint>
#include <vector>

#include "actors/sessions/ear.hpp"
#include "actors/sessions/sound_cut.hpp"

namespace troupe::actors {

struct speech_segment {
  std::uint64_t first = 0;  // its place in the whole sound, in samples
  std::vector<float> sound;
};

class speech_segments {
 public:
  explicit speech_segments(std::uint32_t rate_hz, cut_limits limits = {}) : rate_hz_(rate_hz), limits_(limits) {}

  // The next piece of what is spoken. Returns the segments that are whole with it, none of them empty; keeps at most
  // limits.segment_s_max of sound. REQUIRES pieces as ear tells them.
  std::vector<speech_segment> add(sound_piece&& piece);
  // Nothing more comes: the rest.
  std::vector<speech_segment> finish() { return cut(true); }

 private:
  std::vector<speech_segment> cut(bool last);

  std::uint32_t rate_hz_;
  cut_limits limits_;
  speech_segment open_;  // not cut yet
};

}  // namespace troupe::actors
