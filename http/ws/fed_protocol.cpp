#include "http/ws/fed_protocol.hpp"

#include <utility>

#include "http/ws/close_codes.hpp"

namespace troupe::http {

void fed_protocol::draining() {
  draining_ = true;
  close_if_draining();
}

void fed_protocol::closed() {
  let_go();
  socket_.reset();
}

void fed_protocol::begin(actors::session_request request, live_feed::sound of) {
  if (request.model.empty()) request.model = model_;
  request.peer = peer_;
  feed_ = live_feed::open(sessions_, socket_, std::move(request), of, *this);
}

void fed_protocol::begin(actors::recording_request request, const file_intake& intake) {
  if (request.model.empty()) request.model = model_;
  request.peer = peer_;
  feed_ = file_feed::open(intake, socket_, std::move(request), *this);
}

void fed_protocol::let_go() {
  if (feed_) std::exchange(feed_, nullptr)->drop();
}

void fed_protocol::close_if_draining() {
  if (draining_ && !feed_ && socket_) socket_->close(close_code::going_away, "the server is ending");
}

void fed_protocol::hang_up(const error& why) {
  let_go();
  if (const auto socket = std::exchange(socket_, nullptr)) socket->close(close_code_of(why.code), why.message);
}

}  // namespace troupe::http
