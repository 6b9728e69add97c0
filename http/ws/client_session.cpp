#include "http/ws/client_session.hpp"

#include <utility>

namespace troupe::http {

void client_session::text(std::string_view message) {
  const auto read = read_client_message(message);
  if (!read) return refuse(read.error());
  switch (read->what) {
    case client_request::start: return start(*read);
    case client_request::sound: return sound(read->bytes);
    case client_request::stop: return stop();
  }
}

void client_session::binary(std::string_view) {
  refuse({error_code::bad_request, "Messages are JSON", "sound goes into audio_chunk, in base64", {}});
}

void client_session::start(const client_message& how) {
  if (feed_) return refuse({error_code::conflict, "A recording is under way", "stop_recording ends it", {}});
  actors::session_request request;
  request.mode = actors::session_mode::online;
  format_ = how.format;
  held_.reset();
  begin(std::move(request), {how.format, how.rate_hz});
}

void client_session::sound(const std::string& bytes) {
  if (!feed_) return;
  if (const auto good = check_sound(bytes, format_); !good) return refuse(good.error());
  const auto feed = feed_;
  feed->take(bytes);
}

void client_session::stop() {
  if (!feed_) return say_stopped();
  const auto feed = feed_;
  feed->finish();
}

void client_session::feed_opened() { socket_->send(write_client_status("Recording started", "SESSION_STARTED")); }

void client_session::feed_told(actors::session_increment&& text) {
  if (!feed_->finishing()) return socket_->send(write_client_result(text.text.text, false));
  if (held_) socket_->send(write_client_result(*held_, false));
  held_ = std::move(text.text.text);
}

void client_session::feed_ended() {
  let_go();
  socket_->send(write_client_result(std::exchange(held_, std::nullopt).value_or(std::string()), true));
  say_stopped();
  close_if_draining();
}

void client_session::feed_failed(const error& why) {
  let_go();
  if (held_) socket_->send(write_client_result(*std::exchange(held_, std::nullopt), false));
  refuse(why);
  close_if_draining();
}

void client_session::say_stopped() { socket_->send(write_client_status("Recording stopped", "SESSION_STOPPED")); }

void client_session::refuse(const error& why) { socket_->send(write_client_error(client_error_code(why.code), why)); }

}  // namespace troupe::http
