#pragma once
// What the session's actor is made of, over the files of this wing: session.cpp has messages and credit,
// session_voice.cpp and session_recogniser.cpp a stage each. All on the actor's thread.

#include <memory>
#include <optional>
#include <utility>

#include "actors/sessions/session.hpp"

namespace troupe::actors {

using session_ptr = session_actor::stateful_pointer<session_state_data>;

inline std::uint32_t rate_of(const session_state_data& st) { return st.recogniser->model().rate_hz(); }
inline std::chrono::microseconds time_of(const session_state_data& st, std::uint64_t samples) {
  return std::chrono::microseconds(samples * 1'000'000 / rate_of(st));
}
// When the sound up to sample `n` would be whole, of a client that sends as it hears.
inline steady_time whole_at(const session_state_data& st, std::uint64_t n) { return st.sound.begun + time_of(st, n); }

// -- session.cpp --

// Nothing is told after it.
void end_with(session_ptr self, error why);
// So many samples need not be kept any more: they may be fed again.
void answered(session_state_data& st, std::uint64_t samples);
// A step of that stage has run. Returns its samples; nothing: it failed, and with it the session.
std::optional<std::uint64_t> step_ended(session_ptr self, live_stage& stage, session_board::stage which,
                                        item_result& got);

// -- session_voice.cpp --

// The next samples of the sound. False: the session failed.
bool listen_to(session_ptr self, const std::vector<float>& samples);
// The next step goes to the model, if one is whole; where there is none any more, the stage is closed.
void listen(session_ptr self);
void on_voiced(session_ptr self, item_result& got);

// -- session_recogniser.cpp --

// What waits goes to the recogniser, as far as it can; steps, sentences and the sound's end follow.
void advance(session_ptr self);
void on_stepped(session_ptr self, item_result& got);
open_sentence::terms sentence_terms(const session_state_data& st);

// Of a step that is answered as `Atom`. `due`: see live_stage.
template <class Atom, class Due>
live_stage::step_terms step_terms(session_ptr self, Due due) {
  return {self->state.with->limits.step_timeout, due, [to = caf::actor_cast<session_actor>(self)](item_result&& got) {
            caf::anon_send(to, Atom::value, std::make_shared<item_result>(std::move(got)));
          }};
}

}  // namespace troupe::actors
