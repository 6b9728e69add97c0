#pragma once
// What one recording runs on: an actor each, whose mailbox puts in order what comes for it from decoding, models,
// sessions and clients. It ends with the recording, which then has left the desk.

#include <functional>
#include <memory>

#include <caf/all.hpp>

#include "actors/protocol/messages.hpp"
#include "actors/sessions/recording.hpp"
#include "actors/sessions/recording_desk.hpp"

namespace troupe::actors {

using recording_turn = std::shared_ptr<std::function<void(recording&)>>;
using turn_atom = caf::atom_constant<caf::atom("turn")>;

using recording_actor = caf::typed_actor<
    // Something has come for it.
    caf::reacts_to<turn_atom, recording_turn>,
    // Its own timer: the limits.
    caf::reacts_to<tick_atom>>;

struct recording_start {
  recording_request asked;
  recording_listener listener;
  recording_means means;  // but for `post`, which is the actor's
  recording_limits limits;
  std::shared_ptr<recording_desk> desk;  // it is entered there already
  recording_desk::number entry = 0;
  std::shared_ptr<void> in_flight;  // the server's end waits while this is held
};

struct recording_state {
  static inline const char* name = "recording";
  std::unique_ptr<recording> it;  // null once it is over
  std::shared_ptr<void> in_flight;
};

recording_actor::behavior_type run_recording(recording_actor::stateful_pointer<recording_state> self,
                                             const std::shared_ptr<recording_start>& start);

// From any thread; late ones are dropped.
void send_turn(const recording_actor& to, std::function<void(recording&)> f);

}  // namespace troupe::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::recording_turn)
