#include "actors/sessions/session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "actors/protocol/foreign_exception.hpp"
#include "actors/sessions/session_steps.hpp"

namespace troupe::actors {

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds tick_pause{1000};

std::uint64_t buffer_samples(const session_state_data& st) {
  return static_cast<std::uint64_t>(st.with->limits.buffer.count()) * rate_of(st) / 1000;
}

[[maybe_unused]] std::uint64_t accounted_samples(const session_state_data& st) {
  auto sum = st.credit + st.owed;
  if (st.voice) sum += st.voice->held_samples();
  for (const auto& piece : st.sound.waits) sum += piece.sound.size();
  return sum + (st.recogniser->is_open() ? st.recogniser->waiting() : 0);
}

// Who feeds need not wait for sentences, but where these hold much sound.
void pay(session_state_data& st) {
  if (st.owed == 0 || st.told->sound_samples() >= buffer_samples(st)) return;
  st.credit += st.owed;
  st.with->listener(session_credit{std::exchange(st.owed, 0)});
}

void on_feed(session_ptr self, const std::vector<float>& sound) {
  auto& st = self->state;
  if (sound.empty()) return;
  const auto now = self->clock().now();
  if (st.sound.finishing)
    return end_with(self, {error_code::bad_request, "sound came after the end", "wait for the end's answer first", {}});
  if (sound.size() > st.credit)
    return end_with(self, {error_code::too_many_requests,
                           "more sound than the session may be fed at once",
                           std::to_string(st.credit) + " samples were left",
                           {}});
  st.credit -= sound.size();
  const bool first = st.sound.samples == 0;
  if (first) st.sound.begun = now;
  st.sound.samples += sound.size();
  // A client that paused is not late by its pause.
  st.sound.begun = std::max(st.sound.begun, now - time_of(st, st.sound.samples));
  st.last_fed = now;
  st.with->board->fed(st.with->entry, time_of(st, sound.size()), now);
  if (st.voice) {
    if (!listen_to(self, sound)) return;
  } else {
    st.with->board->spoke(st.with->entry, now);
    st.sound.waits.push_back({st.sound.samples - sound.size(), sound, first, false});
  }
  advance(self);
}

void on_finish(session_ptr self) {
  auto& st = self->state;
  if (st.sound.finishing) return;
  st.sound.finishing = true;
  if (st.sound.samples > 0 && st.voice) {
    st.voice->finish();
    listen(self);
  } else if (st.sound.samples > 0) {
    st.sound.waits.push_back({st.sound.samples, {}, false, true});
  }
  advance(self);
}

void on_tick(session_ptr self) {
  auto& st = self->state;
  const auto now = self->clock().now();
  st.with->board->ticked(now);
  const bool stepping = st.recogniser->busy() || (st.voice && st.voice->stage().busy());
  if (now - st.last_fed > st.with->limits.idle && !stepping)
    return end_with(
        self, {error_code::deadline_exceeded, "no sound came for too long", "session_idle_timeout_s bounds it", {}});
  for (auto* stage : {&*st.recogniser, st.voice ? &st.voice->stage() : nullptr})
    if (auto why = stage ? stage->time_to_leave(now, st.with->limits.drain) : std::nullopt)
      return end_with(self, std::move(*why));
  self->delayed_send(self, tick_pause, tick_atom::value);
}

// Feeders are foreign code: what they throw ends this session alone.
template <class F>
void guarded(session_ptr self, F f) {
  auto& st = self->state;
  if (st.over) return;
  try {
    f();
  } catch (...) {
    end_with(self, caught_error(error_code::model_failed, "the session failed"));
  }
  assert((st.over || accounted_samples(st) == buffer_samples(st)) && "S2");
}

// What another model answers, as `Atom`.
template <class Atom, class T>
std::function<void(result<T>)> answer_to(session_ptr self) {
  return [to = caf::actor_cast<session_actor>(self)](result<T> answer) {
    caf::anon_send(to, Atom::value, std::make_shared<result<T>>(std::move(answer)));
  };
}

sentence_models models_of(session_ptr self) {
  const auto& with = *self->state.with;
  sentence_models out;
  if (with.recognise)
    out.recognise = [self](std::vector<float> sound) {
      return self->state.with->recognise(std::move(sound), answer_to<passed_atom, inference::transcript>(self));
    };
  if (with.punctuate)
    out.punctuate = [self](unmarked_sentence one) {
      return self->state.with->punctuate(std::move(one), answer_to<marked_atom, std::string>(self));
    };
  out.marks_in_context = with.request.marks_in_context;
  return out;
}

}  // namespace

void end_with(session_ptr self, error why) {
  auto& st = self->state;
  if (st.over) return;
  st.over = true;
  st.told->drop();
  st.with->board->left(st.with->entry, true);
  st.with->listener(session_failed{std::move(why)});  // S4
  self->quit();
}

void answered(session_state_data& st, std::uint64_t samples) {
  st.owed += samples;
  pay(st);
}

std::optional<std::uint64_t> step_ended(session_ptr self, live_stage& stage, session_board::stage which,
                                        item_result& got) {
  auto& st = self->state;
  const auto samples = stage.stepped();
  if (!got.value) return end_with(self, std::move(got.value.error())), std::nullopt;
  const auto now = self->clock().now();
  const auto late = std::max(now - stage.due(), steady_clock::duration(0));
  st.with->board->stepped(st.with->entry, which, microseconds(got.timing.infer_us / std::max(1u, got.batch_items)),
                          time_of(st, samples), duration_cast<microseconds>(late), now);
  return samples;
}

session_actor::behavior_type session(session_ptr self, const std::shared_ptr<std::unique_ptr<session_start>>& start) {
  auto& st = self->state;
  st.with = std::move(*start);
  st.recogniser.emplace(std::move(st.with->home));
  if (st.with->voice) st.voice.emplace(std::move(*st.with->voice));
  st.sentence.emplace(sentence_terms(st));
  st.told.emplace(models_of(self), st.with->listener, [board = st.with->board](bool well) { board->passed(well); });
  st.credit = buffer_samples(st);
  st.last_fed = self->clock().now();
  self->attach_functor([board = st.with->board, entry = st.with->entry] { board->left(entry, false); });
  self->delayed_send(self, tick_pause, tick_atom::value);
  return {
      [self](feed_atom, const sound_ptr& sound) { guarded(self, [&] { on_feed(self, *sound); }); },
      [self](finish_atom) { guarded(self, [&] { on_finish(self); }); },
      [self](voiced_atom, const step_result& got) { guarded(self, [&] { on_voiced(self, *got); }); },
      [self](stepped_atom, const step_result& got) { guarded(self, [&] { on_stepped(self, *got); }); },
      [self](passed_atom, const pass_result& again) {
        guarded(self, [&] {
          self->state.told->recognised(std::move(*again));
          pay(self->state);
        });
      },
      [self](marked_atom, const sentence_result& marked) {
        guarded(self, [&] {
          self->state.told->punctuated(std::move(*marked));
          pay(self->state);
        });
      },
      [self](stop_atom, const std::shared_ptr<error>& why) { end_with(self, *why); },
      [self](tick_atom) { guarded(self, [&] { on_tick(self); }); },
  };
}

}  // namespace troupe::actors
