#pragma once
// The WebSocket of /ws/{client_id}: recordings, one after another, as JSON messages. Clients append every text to what
// they have: so a recording's results are increments, the last one of them final, perhaps empty.
//
// A message that cannot be used is answered with an error, and the socket stays open; a session that fails ends its
// recording. Sound outside of a recording is passed over: microphones stop late.

#include <memory>
#include <optional>
#include <string>

#include "http/core/live_socket.hpp"
#include "http/ws/client_json.hpp"
#include "http/ws/live_feed.hpp"

namespace troupe::http {

class client_session final : public live_protocol, private live_feed::owner {
 public:
  // `model` may be empty: the server's. `sessions` outlives the connection.
  client_session(actors::session_service& sessions, std::string model, std::string peer)
      : sessions_(sessions), model_(std::move(model)), peer_(std::move(peer)) {}

  void opened(std::shared_ptr<live_socket> socket) override { socket_ = std::move(socket); }
  void text(std::string_view message) override;
  void binary(std::string_view message) override;
  void draining() override;
  void closed() override;

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

  actors::session_service& sessions_;
  const std::string model_, peer_;
  std::shared_ptr<live_socket> socket_;
  std::shared_ptr<live_feed> feed_;  // of the recording that is under way
  inference::sample_format format_ = inference::sample_format::f32;
  std::optional<std::string> held_;  // after the stop: a text that may be the last one
  bool draining_ = false;
};

}  // namespace troupe::http
