#pragma once
// The sentence that is being spoken: what was recognised of it, when it is over, and its own sound where that is to be
// recognised once more. Pure; no clock, no threads.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "inference/model/outputs.hpp"
#include "inference/speech/endpoint_rules.hpp"

namespace troupe::actors {

// One that is over. Times are those of the whole sound.
struct spoken_sentence {
  inference::transcript text;
  std::vector<float> sound;  // where it is kept
  double sound_begin_s = 0;  // of `sound`, in the whole one
  bool told = false;         // increments of it were
  bool last = false;         // nothing comes after it
};

class open_sentence {
 public:
  struct terms {
    inference::endpoint_rules rules;
    std::uint32_t rate_hz = 16000;
    bool keeps_sound = false;
  };
  explicit open_sentence(terms t) : terms_(t) {}

  // An utterance begins at that sample of the whole sound. REQUIRES that the one before was closed.
  void begin(std::uint64_t first);
  // The recogniser was given this.
  void hear(std::span<const float> samples);
  // It is through with so many samples more, and this came of them.
  void take(const inference::transcript& text, std::uint64_t samples);
  void was_told() noexcept { told_ = true; }
  inference::endpoint_reason over() const noexcept;
  // What it was; the next one begins where the recogniser is.
  spoken_sentence close();

 private:
  double seconds(std::uint64_t samples) const noexcept {
    return static_cast<double>(samples) / static_cast<double>(terms_.rate_hz);
  }

  const terms terms_;
  inference::transcript text_;
  std::vector<float> sound_;            // from first_ on, what was given and belongs to no sentence yet
  std::uint64_t first_ = 0;             // where the sentence begins
  std::uint64_t heard_ = 0;             // samples since then
  std::optional<std::uint64_t> quiet_;  // of them, since the last token
  bool told_ = false;
};

// Into the times of the whole sound.
void shift(inference::transcript& text, double by_s);

}  // namespace troupe::actors
