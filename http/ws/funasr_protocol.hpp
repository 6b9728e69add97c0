#pragma once
// FunASR's WebSocket protocol, as its own clients speak it: JSON of optional keys, sound in binary messages (16-bit
// PCM), results as they come. An utterance is a session: it begins with its first byte of sound and ends with
// `is_speaking: false`, after which the socket stays open for the next one, with the terms that were said before. With
// another `wav_format` the bytes are a file's, which is heard when it is whole: sentences alone (not where the mode is
// `online`). So is the sound of a model that cannot be fed, as FunASR's server for files hears it.
//
// Always: one message with is_final (and is_end) an utterance, its last; a failure's form and a close otherwise.

#include <optional>
#include <string>

#include "http/ws/fed_protocol.hpp"
#include "http/ws/funasr_json.hpp"

namespace troupe::http {

class funasr_protocol final : public fed_protocol {
 public:
  funasr_protocol(actors::session_service& sessions, file_intake files, std::string model, std::string peer)
      : fed_protocol(sessions, std::move(model), std::move(peer)), files_(files) {}

  void text(std::string_view message) override;
  void binary(std::string_view message) override;

 private:
  void feed_told(actors::session_increment&& text) override;
  void feed_told(actors::session_sentence&& text) override;
  void feed_ended() override;
  void feed_failed(const error& why) override { fail(why); }

  void begin_utterance(std::string_view first);
  void begin_sound();
  void begin_file();
  void begin_samples(std::string_view first);
  void end();
  void tell(funasr_result result);
  void tell_last();
  void fail(const error& why);

  const file_intake files_;
  funasr_terms terms_;
  actors::session_mode mode_ = actors::session_mode::two_pass;  // of the utterance: terms_ may change meanwhile
  std::uint32_t rate_hz_ = 0;                                   // likewise
  std::optional<funasr_result> held_;                           // after the end was asked for: it may be the last one
  bool begun_ = true;                                           // an end would have something to end
};

}  // namespace troupe::http
