#pragma once
// From what a model for voice activity tells to what the recogniser is to hear: keeps the sound that is not decided
// yet, hands on what lies between a begin and an end, drops the rest. Pure; no clock, no threads.
//
// However the sound is cut into accept()s and the model's answers into decide()s, the utterances are the same.

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "inference/model/outputs.hpp"

namespace troupe::actors {

// The next part of an utterance.
struct sound_piece {
  std::uint64_t first = 0;  // its place in the whole sound, in samples
  std::vector<float> sound;
  bool begins = false, ends = false;  // the utterance, with it
};

class ear {
 public:
  explicit ear(std::uint32_t rate_hz) : rate_hz_(rate_hz) {}

  // The next samples, which the model was given, too.
  void accept(std::span<const float> samples) { held_.insert(held_.end(), samples.begin(), samples.end()); }

  struct verdict {
    std::vector<sound_piece> pieces;  // in order; their sound is no longer held
    std::uint64_t dropped = 0;        // samples that nobody has to hear
  };
  verdict decide(const inference::voice_activity& told);

  // Samples that had to be there before the one at `place` could be handed on. REQUIRES places that do not fall.
  std::uint64_t known_after(std::uint64_t place);

  std::uint64_t held_samples() const noexcept { return held_.size(); }
  bool in_speech() const noexcept { return open_; }

 private:
  struct mark {
    std::uint64_t place = 0, heard = 0;  // samples: what was handed on, when so many were heard
  };
  std::vector<float> take_to(double at_s);

  std::uint32_t rate_hz_;
  std::vector<float> held_;
  std::uint64_t first_ = 0;  // the place of the first of them
  bool open_ = false;        // an utterance is under way
  std::deque<mark> known_;   // a decide() that handed something on, those that can still be asked for
};

}  // namespace troupe::actors
