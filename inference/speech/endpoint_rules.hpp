#pragma once
// When an utterance ends where no model for voice activity is loaded: from the times at which the recognizer's CIF
// fired, that is, found a token. The rules of sherpa-onnx' and Kaldi's endpoint detection. Pure.

#include <cstdint>
#include <optional>

namespace troupe::inference {

struct endpoint_rules {
  double silence_s = 2.4;  // without any token
  double silence_after_token_s = 1.2;
  double utterance_s_max = 20;
};

// Of the utterance that is under way.
struct utterance_times {
  double sound_s = 0;                  // heard and decoded since its begin
  std::optional<double> since_fire_s;  // of that, since the last token; not set: no token yet
};

enum class endpoint_reason : std::uint8_t { none, silence, silence_after_token, too_long };

// The first rule that holds, in this order: too long, then silence. Where there was no token the utterance holds no
// text.
endpoint_reason endpoint_of(const utterance_times& heard, const endpoint_rules& rules = {}) noexcept;

}  // namespace troupe::inference
