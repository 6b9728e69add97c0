#pragma once
// One live session, an actor each: it owns the session's state and sound, has one step at a time run by the model,
// whose queue batches the steps of all sessions, and tells its listener what came of them.
//
//            feed            enough for a step             stepped (of the job's reply)
//   idle ----------> waiting ------------------> stepping --------------------------+
//    ^                  ^                                                           |
//    |   all is said    |              more waits, or the end is to come            |
//    +------------------+-----------------------------------------------------------+
//
// A sentence that has ended is punctuated by another model meanwhile; what comes after it is told after it (`held`).
//
// What holds after each message:
// S1  One step is under way at most; the session's state is in it then.
// S2  The sound that may still be fed, that waits, and that is in the step under way, are the session's whole buffer.
// S3  The session has a place inside its model from its begin to its end: nobody evicts it.
// S4  After session_failed nothing is told.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <caf/all.hpp>

#include "actors/protocol/sessions.hpp"
#include "actors/serving/gateway.hpp"
#include "actors/sessions/session_board.hpp"

namespace troupe::actors {

using sound_ptr = std::shared_ptr<std::vector<float>>;
using step_result = std::shared_ptr<item_result>;
using sentence_result = std::shared_ptr<result<std::string>>;

using feed_atom = caf::atom_constant<caf::atom("feed")>;        // sound
using finish_atom = caf::atom_constant<caf::atom("finish")>;    // nothing more comes
using stepped_atom = caf::atom_constant<caf::atom("stepped")>;  // a step has run, or cannot
using marked_atom = caf::atom_constant<caf::atom("marked")>;    // a sentence has its marks, or cannot have them

using session_actor = caf::typed_actor<
    // Of the handle.
    caf::reacts_to<feed_atom, sound_ptr>, caf::reacts_to<finish_atom>,
    // Of its job's reply.
    caf::reacts_to<stepped_atom, step_result>,
    // Of the punctuation model.
    caf::reacts_to<marked_atom, sentence_result>,
    // The session is asked to leave, and why.
    caf::reacts_to<stop_atom, std::shared_ptr<error>>,
    // Its own timer: silence, and a model that is to go.
    caf::reacts_to<tick_atom>>;

struct session_limits {
  std::chrono::milliseconds buffer{10000};        // of sound that is not answered yet
  std::chrono::milliseconds step_timeout{30000};  // of one step
  std::chrono::milliseconds idle{300000};         // without any sound
  std::chrono::milliseconds drain{30000};         // of a model that is to go
  // A sentence ends after so much silence; without a model for voice activity that is where no token comes.
  std::chrono::milliseconds end_silence{1200};
  std::chrono::milliseconds sentence_max{20000};
};

// What a session is made with.
struct session_start {
  session_request request;
  session_listener listener;
  live_place home;
  std::unique_ptr<inference::feeder> feeder;
  std::shared_ptr<inference::state> state;
  session_limits limits;
  std::shared_ptr<session_board> board;  // it is entered there already
  session_board::number entry = 0;
  // Gives a text its marks, and answers once, on any thread. Empty: there is no model for it.
  std::function<void(std::string text, std::function<void(result<std::string>)>)> punctuate;
};

struct session_state_data {
  session_state_data() = default;
  ~session_state_data();  // the step under way is called off
  static inline const char* name = "session";

  std::unique_ptr<session_start> with;  // never null
  std::uint64_t credit = 0;             // S2, samples
  std::uint64_t stepping = 0;           // S2, of the step under way
  job_ptr step;                         // S1; null: none is under way
  bool finishing = false, over = false;
  bool fresh = true;        // nothing was fed since its begin
  steady_time begun{};      // of the sound
  std::uint64_t heard = 0;  // samples, since then
  std::uint64_t told = 0;   // of them, steps are through with
  steady_time last_fed{};
  std::optional<steady_time> to_leave_by;  // its model is to go

  // The sentence so far: increments that no sentence has replaced yet.
  inference::transcript sentence;
  std::uint64_t quiet = 0;  // samples since its last token
  bool marking = false;     // a sentence is being punctuated
  std::deque<session_event> held;
};

session_actor::behavior_type session(session_actor::stateful_pointer<session_state_data> self,
                                     std::shared_ptr<std::unique_ptr<session_start>> start);

}  // namespace troupe::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::sound_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::step_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::sentence_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::error>)
