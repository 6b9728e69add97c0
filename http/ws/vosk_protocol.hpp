#pragma once
// vosk-server's WebSocket protocol, as its clients speak it: sound in binary messages (16-bit PCM), and one answer to
// each of them: clients send the next one only when they have it. No answer to a configuration. `eof` is answered with
// all that is left, and the socket is closed; `reset` likewise, and the next utterance begins.
//
// An answer is a whole sentence (`text`) where one has ended since the last answer, several as one; else the sentence
// so far (`partial`), as far as it is recognised: a message waits for its place in the session, not for its text.
// Sentences have no marks: their words are the ones of `result`. What is wrong is told ({"error", "code"}), and closes.

#include <string>

#include "http/ws/fed_protocol.hpp"
#include "http/ws/vosk_json.hpp"

namespace troupe::http {

class vosk_protocol final : public fed_protocol {
 public:
  vosk_protocol(actors::session_service& sessions, std::string model, std::string peer)
      : fed_protocol(sessions, std::move(model), std::move(peer)) {}

  void text(std::string_view message) override;
  void binary(std::string_view message) override;

 private:
  void feed_taken() override;
  void feed_told(actors::session_increment&& text) override;
  void feed_told(actors::session_sentence&& text) override;
  void feed_ended() override;
  void feed_failed(const error& why) override { fail(why); }

  void begin_sound();
  void end(vosk_mark how);
  void answer();
  void tell_rest();
  void fail(const error& why);

  vosk_terms terms_;
  std::string asked_model_;    // of the utterance: terms_ may change meanwhile
  std::uint32_t rate_hz_ = 0;  // likewise
  bool owed_ = false;          // a message of sound has no answer yet
  bool last_ = false;          // the rest is the last answer
  std::string so_far_;         // the sentence that has not ended
  vosk_text ended_;            // not told yet
};

}  // namespace troupe::http
