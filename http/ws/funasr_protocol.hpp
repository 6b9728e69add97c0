#pragma once
// FunASR's WebSocket protocol, as its own clients speak it: JSON of optional keys, sound in binary messages (16-bit
// PCM), results as they come. An utterance is a session: it begins with its first byte of sound and ends with
// `is_speaking: false`, after which the socket stays open for the next one, with the terms that were said before.
//
// Always: one message with is_final (and is_end) an utterance, its last; a failure's form and a close otherwise.

#include <memory>
#include <optional>
#include <string>

#include "http/core/live_socket.hpp"
#include "http/ws/funasr_json.hpp"
#include "http/ws/live_feed.hpp"

namespace troupe::http {

class funasr_protocol final : public live_protocol, private live_feed::owner {
 public:
  // `model` may be empty: the server's. `sessions` outlives the connection.
  funasr_protocol(actors::session_service& sessions, std::string model, std::string peer)
      : sessions_(sessions), model_(std::move(model)), peer_(std::move(peer)) {}

  void opened(std::shared_ptr<live_socket> socket) override { socket_ = std::move(socket); }
  void text(std::string_view message) override;
  void binary(std::string_view message) override;
  void draining() override;
  void closed() override;

 private:
  void feed_told(actors::session_increment&& text) override;
  void feed_told(actors::session_sentence&& text) override;
  void feed_ended() override;
  void feed_failed(const error& why) override { fail(why); }

  void begin();
  void end();
  void tell(const char* mode, std::string text);
  void tell_last();
  void fail(const error& why);

  actors::session_service& sessions_;
  const std::string model_, peer_;
  std::shared_ptr<live_socket> socket_;
  funasr_terms terms_;
  std::shared_ptr<live_feed> feed_;                             // of the utterance that is under way
  actors::session_mode mode_ = actors::session_mode::two_pass;  // of it: terms_ may change meanwhile
  std::uint32_t rate_hz_ = 0;                                   // likewise
  std::optional<funasr_result> held_;                           // after the end was asked for: it may be the last one
  bool begun_ = true;                                           // an end would have something to end
  bool draining_ = false;
};

}  // namespace troupe::http
