#pragma once
// The WebSocket of /ws/{client_id}: recordings, one after another, as JSON messages. Clients append every text to what
// they have: so a recording's results are increments, the last one of them final, perhaps empty.
//
// A message that cannot be used is answered with an error, and the socket stays open; a session that fails ends its
// recording. Sound outside of a recording is passed over: microphones stop late.

#include <optional>
#include <string>

#include "http/ws/client_json.hpp"
#include "http/ws/fed_protocol.hpp"

namespace troupe::http {

class client_session final : public fed_protocol {
 public:
  client_session(actors::session_service& sessions, std::string model, std::string peer)
      : fed_protocol(sessions, std::move(model), std::move(peer)) {}

  void text(std::string_view message) override;
  void binary(std::string_view message) override;

 private:
  void feed_opened() override;
  void feed_told(actors::session_increment&& text) override;
  void feed_told(actors::session_sentence&&) override {}  // told as increments
  void feed_ended() override;
  void feed_failed(const error& why) override;

  void start(const client_message& how);
  void sound(const std::string& bytes);
  void stop();
  void say_stopped();
  void refuse(const error& why);

  inference::sample_format format_ = inference::sample_format::f32;
  std::optional<std::string> held_;  // after the stop: a text that may be the last one
};

}  // namespace troupe::http
