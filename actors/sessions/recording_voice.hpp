#pragma once
// Where somebody speaks in a recording: a place inside the model for voice activity, which is fed as a live session
// feeds it (voice_stage.hpp). Its steps are due when their sound would have been spoken: behind who speaks now. All on
// the recording's own turn.

#include <chrono>
#include <optional>
#include <span>
#include <vector>

#include "actors/sessions/recording_ear.hpp"
#include "actors/sessions/voice_stage.hpp"

namespace troupe::actors {

class recording_voice {
 public:
  class owner {
   public:
    virtual ~owner() = default;
    virtual void voice_ready(std::uint32_t rate_hz) = 0;
    // What is spoken, next; perhaps nothing. Of the last samples: over() then.
    virtual void voice_told(std::vector<sound_piece>&& spoken) = 0;
    virtual void voice_failed(const error& why) = 0;
  };

  // REQUIRES a model in `means`. Both outlive it.
  recording_voice(const recording_means& means, voice_limits limits, owner& tells)
      : means_(means), limits_(limits), owner_(tells) {}
  ~recording_voice() { asking_(); }
  recording_voice(const recording_voice&) = delete;
  recording_voice& operator=(const recording_voice&) = delete;

  // voice_ready or voice_failed follows, later.
  void open();
  // `last`: nothing more comes. REQUIRES ready, and not last before.
  void take(std::span<const float> samples, bool last);
  // It is not through with what it was given.
  bool busy() const { return stage_ && stage_->stage().busy(); }
  // All of the sound was told.
  bool over() const { return last_ && !stage_->stage().is_open(); }
  // Some time has passed.
  void tick();
  // There is no place inside the model for now, which is asked again; null: there is.
  const error* refusal() const { return refusal_ ? &*refusal_ : nullptr; }

 private:
  void entered(result<live_place> place);
  void stepped(item_result&& got);
  void go_on(std::vector<sound_piece>&& spoken);
  std::chrono::microseconds time_of(std::uint64_t samples) const;
  void fail(error why);

  const recording_means& means_;
  const voice_limits limits_;
  owner& owner_;
  cancel_handle asking_;  // for a place
  bool asks_ = false;
  std::optional<error> refusal_;      // of the last time
  std::optional<voice_stage> stage_;  // not set: not inside yet
  std::optional<steady_time> begun_;  // when the first sample came, were all of them spoken live
  std::uint64_t samples_ = 0;         // that were taken
  bool last_ = false;
};

}  // namespace troupe::actors
