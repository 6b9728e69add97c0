#include "actors/sessions/recording_voice.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace troupe::actors {

void recording_voice::open() {
  asks_ = true;
  asking_ = means_.enter(
      means_.voice_activity, one_shot<live_place>([post = means_.post, this](auto place) {
        post([this, shared = std::make_shared<decltype(place)>(std::move(place))] { entered(std::move(*shared)); });
      }));
}

void recording_voice::entered(result<live_place> place) {
  asks_ = false;
  if (!place) {
    // Its places are taken by who speaks now.
    if (place.error().code == error_code::too_many_requests) return void(refusal_ = std::move(place.error()));
    return fail(std::move(place.error()));
  }
  if (auto ok = check_task(*place, inference::task::voice_activity_detection); !ok) return fail(std::move(ok.error()));
  refusal_.reset();
  stage_.emplace(std::move(*place));
  owner_.voice_ready(stage_->stage().model().rate_hz());
}

void recording_voice::take(std::span<const float> samples, bool last) {
  const auto now = means_.now();
  samples_ += samples.size();
  // What is decoded later than it would be spoken is not late by that.
  begun_ = std::max(begun_.value_or(now), now - time_of(samples_));
  last_ = last;
  if (!samples.empty())
    if (auto ok = stage_->accept(samples, {}); !ok) return fail(std::move(ok.error()));
  if (last && stage_->stage().is_open()) stage_->finish();
  go_on({});
}

void recording_voice::stepped(item_result&& got) {
  stage_->stage().stepped();
  if (!got.value) return fail(std::move(got.value.error()));
  auto verdict = stage_->decide(*got.value);
  if (!verdict) return fail(std::move(verdict.error()));
  go_on(std::move(verdict->pieces));
}

void recording_voice::go_on(std::vector<sound_piece>&& spoken) {
  auto rest = stage_->go_on(means_.now(), {limits_.step_timeout, [this](auto n) { return *begun_ + time_of(n); },
                                           [post = means_.post, this](item_result&& got) {
                                             post([this, shared = std::make_shared<item_result>(std::move(got))] {
                                               stepped(std::move(*shared));
                                             });
                                           }});
  std::move(rest.pieces.begin(), rest.pieces.end(), std::back_inserter(spoken));
  owner_.voice_told(std::move(spoken));
}

void recording_voice::tick() {
  if (refusal_ && !asks_) return open();
  if (!stage_) return;
  if (auto why = stage_->stage().time_to_leave(means_.now(), limits_.drain)) fail(std::move(*why));
}

std::chrono::microseconds recording_voice::time_of(std::uint64_t samples) const {
  return std::chrono::microseconds(samples * 1'000'000 / stage_->stage().model().rate_hz());
}

void recording_voice::fail(error why) {
  why.message = "voice activity of the recording: " + why.message;
  owner_.voice_failed(why);
}

}  // namespace troupe::actors
