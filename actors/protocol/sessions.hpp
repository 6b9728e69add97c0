#pragma once
// Live sessions: what the adapters of protocols (http/ws/) may ask, and what they are told. One core under all of them:
// open, feed with credit, finish, events. Shaped so that generated text fits in, too: it is fed once, and tells more.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/protocol/one_shot.hpp"
#include "config/error.hpp"
#include "inference/model/live.hpp"
#include "inference/model/outputs.hpp"

namespace troupe::actors {

// What one session is asked to do.
enum class session_mode : std::uint8_t {
  online,    // text as it comes
  offline,   // nothing until a sentence is whole
  two_pass,  // both: increments, and the whole sentence in their place at its end
};

struct session_request {
  std::string model;        // empty: the server's model for live speech
  std::string punctuation;  // of whole sentences; empty: the server's, where it has one
  // Tells where somebody speaks, which alone is recognised then; and recognises sentences once more when they are over.
  // Neither where the mode is online. Empty: the server's, where it has one; not set: none.
  std::optional<std::string> voice_activity = std::string();
  std::optional<std::string> second_pass = std::string();
  // Sentences are read as one text: a model that can (inference::open_increments()) gives each its marks knowing those
  // before it, and the mark behind its last word at the head of the next one. False: each is a text of its own.
  bool marks_in_context = false;
  session_mode mode = session_mode::two_pass;
  inference::live_options options;
  std::string peer;  // who asks, for the log
};

// -- events, in the order in which they happen ------------------------------------------------------------------

// Text to be appended to what came since the last sentence.
struct session_increment {
  inference::transcript text;
};
// A whole sentence, in the place of the increments since the last one; punctuated where a model for it is there.
// Without text: they are taken back.
struct session_sentence {
  inference::transcript text;
  std::string raw;  // without marks
};
// So many more samples may be fed than before.
struct session_credit {
  std::uint64_t samples = 0;
};
// All that was fed is answered. The session may be fed anew: it starts over, with the same options.
struct session_ended {
  double sound_s = 0;  // that was heard since it began
};
// Nothing comes after it; the session is over.
struct session_failed {
  error why;
};
using session_event = std::variant<session_increment, session_sentence, session_credit, session_ended, session_failed>;

// Told on any thread, never concurrently; must not block, and may not call the session back.
using session_listener = std::function<void(session_event&&)>;

// The feeding end of one session. Any thread, one at a time. Dropping it ends the session at once: the client is gone.
class session_handle {
 public:
  virtual ~session_handle() = default;
  virtual std::uint32_t rate_hz() const noexcept = 0;
  virtual bool uses_hotwords() const noexcept = 0;
  // Samples that may be fed at once: the first credit.
  virtual std::uint64_t credit_samples() const noexcept = 0;
  // One channel at rate_hz(), -1 .. 1. More than the credit that is left fails the session (too_many_requests).
  virtual void feed(std::vector<float> samples) = 0;
  // Nothing more comes: the rest is answered, then session_ended.
  virtual void finish() = 0;
};

class session_service {
 public:
  virtual ~session_service() = default;
  // Loads the models where they are not in memory. Errors come through `reply`: model_not_found, unprocessable (one
  // cannot be fed, or does another task), bad_request (the options), too_many_requests (sessions, or what the cores can
  // hold in time), unavailable.
  virtual void open(session_request request, session_listener listener,
                    one_shot<std::unique_ptr<session_handle>> reply) = 0;
};

}  // namespace troupe::actors
