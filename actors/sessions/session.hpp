#pragma once
// One live session, an actor each: it owns the session's sound and states, has its steps run by models, whose queues
// batch the steps of all sessions, and tells its listener what came of them.
//
//   sound --> voice activity, where there is a model for it (voice_stage), which decides what is heard
//         --> the recogniser (live_stage), which is open while somebody speaks: text, and when it is over
//         (open_sentence)
//         --> sentences: a second pass, marks (sentences) --> the listener
//
// Without a model for voice activity the recogniser hears everything, and is open from the first sample to the last.
//
// What holds after each message:
// S1  One step a stage is under way at most; the stage's state is in it then.
// S2  The sound that may still be fed, that waits, that is in steps, and that is owed for sentences, are the session's
//     whole buffer.
// S3  The session has a place inside its models from its begin to its end: nobody evicts them.
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
#include "actors/sessions/live_stage.hpp"
#include "actors/sessions/open_sentence.hpp"
#include "actors/sessions/sentences.hpp"
#include "actors/sessions/session_board.hpp"
#include "actors/sessions/voice_stage.hpp"

namespace troupe::actors {

using sound_ptr = std::shared_ptr<std::vector<float>>;
using step_result = std::shared_ptr<item_result>;
using sentence_result = std::shared_ptr<result<std::string>>;
using pass_result = std::shared_ptr<result<inference::transcript>>;

using feed_atom = caf::atom_constant<caf::atom("feed")>;        // sound
using finish_atom = caf::atom_constant<caf::atom("finish")>;    // nothing more comes
using voiced_atom = caf::atom_constant<caf::atom("voiced")>;    // a step of voice activity has run, or cannot
using stepped_atom = caf::atom_constant<caf::atom("stepped")>;  // a step of the recogniser has, or cannot
using passed_atom = caf::atom_constant<caf::atom("passed")>;    // a sentence was recognised again, or cannot be
using marked_atom = caf::atom_constant<caf::atom("marked")>;    // a sentence has its marks, or cannot have them

using session_actor = caf::typed_actor<
    // Of the handle.
    caf::reacts_to<feed_atom, sound_ptr>, caf::reacts_to<finish_atom>,
    // Of its steps' replies.
    caf::reacts_to<voiced_atom, step_result>, caf::reacts_to<stepped_atom, step_result>,
    // Of the model for whole sounds, and of the punctuation model.
    caf::reacts_to<passed_atom, pass_result>, caf::reacts_to<marked_atom, sentence_result>,
    // The session is asked to leave, and why.
    caf::reacts_to<stop_atom, std::shared_ptr<error>>,
    // Its own timer: silence, and a model that is to go.
    caf::reacts_to<tick_atom>>;

struct session_limits {
  std::chrono::milliseconds buffer{10000};        // of sound that is not answered yet
  std::chrono::milliseconds step_timeout{30000};  // of one step
  std::chrono::milliseconds idle{300000};         // without any sound
  std::chrono::milliseconds drain{30000};         // of a model that is to go
  // When a sentence is over; with a model for voice activity only its longest counts.
  inference::endpoint_rules sentence;
};

// What a session is made with.
struct session_start {
  session_request request;
  session_listener listener;
  live_place home;                  // the recogniser's
  std::optional<live_place> voice;  // of the same rate; not set: everything is heard
  session_limits limits;
  std::shared_ptr<session_board> board;  // it is entered there already
  session_board::number entry = 0;
  // Recognises a whole sound, of the recogniser's rate; gives a sentence its marks. Each answers once, on any thread.
  // Empty: there is no model for it.
  std::function<cancel_handle(std::vector<float> sound, std::function<void(result<inference::transcript>)>)> recognise;
  std::function<cancel_handle(unmarked_sentence, std::function<void(result<std::string>)>)> punctuate;
};

// Of one sound, from its first sample to session_ended.
struct session_sound {
  steady_time begun{};            // when its first sample was there
  std::uint64_t samples = 0;      // that were fed
  std::deque<sound_piece> waits;  // that the recogniser does not have yet: an utterance before it is under way
  std::uint64_t first = 0;        // where the utterance began that the recogniser is in
  bool finishing = false;         // nothing more comes
};

struct session_state_data {
  static inline const char* name = "session";

  std::unique_ptr<session_start> with;   // never null
  std::optional<voice_stage> voice;      // not set: without voice activity
  std::optional<live_stage> recogniser;  // never empty
  std::optional<open_sentence> sentence;
  std::optional<sentences> told;
  session_sound sound;
  std::uint64_t credit = 0;  // S2, samples
  std::uint64_t owed = 0;    // S2, likewise
  bool over = false;
  steady_time last_fed{};
};

session_actor::behavior_type session(session_actor::stateful_pointer<session_state_data> self,
                                     const std::shared_ptr<std::unique_ptr<session_start>>& start);

}  // namespace troupe::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::sound_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::step_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::sentence_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::pass_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::error>)
