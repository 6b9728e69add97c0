#pragma once
// The stage of voice activity, of live sessions and of recordings: the model that is fed (live_stage), and the sound
// about which it has not decided yet (ear). One sound after another. Owned by who feeds it; not thread-safe.

#include <span>

#include "actors/sessions/ear.hpp"
#include "actors/sessions/live_stage.hpp"

namespace troupe::actors {

class voice_stage {
 public:
  // Of a live model that does voice activity.
  explicit voice_stage(live_place home) : stage_(std::move(home)), hears_(stage_.model().rate_hz()) {}

  // The next samples; the first of a sound open the stage.
  result<void> accept(std::span<const float> samples, const inference::live_options& options);
  // No more of this sound comes; what was accepted of it is decided, and then the stage closed. REQUIRES open.
  void finish() { stage_.finish(); }

  // Where no step is under way: the next one goes to the model, if one is whole. Where none is left of a sound that is
  // finished the stage is closed, and what is given is the rest, had the last step not decided it.
  ear::verdict go_on(steady_time now, const live_stage::step_terms& terms);
  // Of a step that has run (live_stage::stepped). internal: it told something else.
  result<ear::verdict> decide(const inference::output& told);

  // Of the sound; see ear.
  std::uint64_t known_after(std::uint64_t place) { return hears_.known_after(place); }
  std::uint64_t held_samples() const noexcept { return hears_.held_samples(); }

  live_stage& stage() noexcept { return stage_; }
  const live_stage& stage() const noexcept { return stage_; }

 private:
  live_stage stage_;
  ear hears_;  // of the sound that the stage is open for, or was
};

}  // namespace troupe::actors
