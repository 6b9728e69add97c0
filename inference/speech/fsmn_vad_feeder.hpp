#pragma once
// The sound of one session on its way to FSMN-VAD: features in steps of a fifth of a second or, where more has come
// already, of up to two seconds. How it is cut decides when something is told, never what. No Torch types.

#include <cstdint>
#include <memory>
#include <vector>

#include "inference/audio/front_end.hpp"
#include "inference/model/live.hpp"
#include "inference/model/model.hpp"
#include "inference/speech/fsmn_vad_config.hpp"

namespace troupe::inference {

// What one row brings to a step.
struct vad_input final : prepared {
  std::vector<float> features;      // [frames, width]; of a session
  std::uint64_t heard_samples = 0;  // of the session, with these
  bool last = false;                // the sound ends with them
  // Every frame is the same as the one before it, and so many were before that the network's answer is, too: as where a
  // microphone is muted.
  bool still = false;
  std::vector<float> sound;  // whole, at the model's rate; with it, none of the above
  bool whole = false;
};

// How long a run of equal frames is, across calls.
class still_frames {
 public:
  still_frames(std::size_t width, std::uint64_t past_frames) : last_(width), enough_(past_frames + 1) {}
  // Of the next frames: whether all are the same as the last of a run that was long enough before them.
  bool take(std::span<const float> features);

 private:
  std::vector<float> last_;
  std::uint64_t enough_, run_ = 0;  // frames; 0: none came yet
};

class fsmn_vad_feeder final : public feeder {
 public:
  fsmn_vad_feeder(std::shared_ptr<const front_end> front, const fsmn_vad_settings& settings);

  void accept(std::span<const float> samples) override;
  void finish() override { finished_ = true; }
  std::unique_ptr<const prepared> next() override;
  std::uint64_t waiting_samples() const noexcept override { return waiting_.size(); }

 private:
  front_end_stream front_;
  still_frames still_;
  std::vector<float> waiting_;
  std::uint64_t taken_samples_ = 0;
  bool finished_ = false, ended_ = false;
};

}  // namespace troupe::inference
