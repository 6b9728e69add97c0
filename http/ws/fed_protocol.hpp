#pragma once
// What the protocols of live sessions have in common: a socket that has one utterance under way, or none, and how it
// ends. A protocol says what messages mean, and what its clients are told.

#include <memory>
#include <string>

#include "http/core/live_socket.hpp"
#include "http/ws/file_feed.hpp"
#include "http/ws/live_feed.hpp"

namespace troupe::http {

class fed_protocol : public live_protocol, protected sound_feed::owner {
 public:
  void opened(std::shared_ptr<live_socket> socket) override { socket_ = std::move(socket); }
  // Closes now, or when the utterance that is under way has ended.
  void draining() override;
  void closed() override;

 protected:
  // `model` may be empty: the server's. `sessions` outlives the connection.
  fed_protocol(actors::session_service& sessions, std::string model, std::string peer)
      : sessions_(sessions), model_(std::move(model)), peer_(std::move(peer)) {}

  const std::string& model() const noexcept { return model_; }
  // The next utterance, of the socket's model where the request names none. REQUIRES: none is under way.
  void begin(actors::session_request request, live_feed::sound of);
  // Likewise, of one that comes as a file.
  void begin(actors::recording_request request, const file_intake& intake);
  // Of the utterance that is under way, if one is: nothing is told any more.
  void let_go();
  // After the last message of an utterance.
  void close_if_draining();
  // What no client can mend by asking otherwise. Nothing is told any more, and no message is heard (socket_ is null).
  void hang_up(const error& why);

  std::shared_ptr<live_socket> socket_;
  std::shared_ptr<sound_feed> feed_;  // of the utterance that is under way

 private:
  actors::session_service& sessions_;
  const std::string model_, peer_;
  bool draining_ = false;
};

}  // namespace troupe::http
