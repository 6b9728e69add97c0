#pragma once
// A connection that stays: messages both ways (WebSocket), free of the library that frames them. A protocol of live
// sessions (http/ws/) is tested against this alone.
//
//   route: upgrade_fault (http/core/upgrade.hpp) --exchange::upgrade--> 101 --> live_protocol::opened, text, binary, ..
//
// Who owns whom: while the socket is open each of the two keeps the other; after closed() the socket has let go of its
// protocol, and the protocol should let go of it.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace troupe::http {

// RFC 6455, section 7.4.1, and its registry.
enum class close_code : std::uint16_t {
  normal = 1000,
  going_away = 1001,       // the server ends
  protocol_error = 1002,   //
  unsupported = 1003,      // a kind of message that is not taken
  bad_payload = 1007,      // a message that is not what its kind should be
  policy = 1008,           // a limit that is the client's to keep
  too_big = 1009,          //
  internal = 1011,         //
  try_again_later = 1013,  // a limit of the server
};

// The sending end. On the connection's thread, but for post().
class live_socket {
 public:
  virtual ~live_socket() = default;

  // One text message. A reader who is too slow for what is sent is closed (policy): closed() follows, later.
  virtual void send(std::string message) = 0;
  // After what was sent before. No message comes any more; closed() follows. Later calls do nothing.
  virtual void close(close_code code, std::string reason) = 0;

  // Nothing is read from the client between these two, so that TCP holds it back; the message that is being told is
  // the last one. Its leaving is noticed late meanwhile.
  virtual void pause() = 0;
  virtual void resume() = 0;

  // Of what the client sent, so much is kept beyond the message that is being told. Counted with the bodies of requests
  // while what this gives lives; null: there is no room. A client that sends nothing more for long meanwhile, or very
  // slowly, is closed, but for a paused one.
  virtual std::shared_ptr<void> hold(std::uint64_t bytes) = 0;

  // Runs `f` on the connection's thread, later; dropped when the server has stopped. Any thread.
  virtual void post(std::function<void()> f) = 0;
};

// What the messages mean. All calls on the connection's thread, one at a time: opened() first, closed() once and last.
// May not throw; what it is told is valid during the call.
class live_protocol {
 public:
  virtual ~live_protocol() = default;
  virtual void opened(std::shared_ptr<live_socket> socket) = 0;
  virtual void text(std::string_view message) = 0;  // valid UTF-8
  virtual void binary(std::string_view message) = 0;
  // The server is ending: what is under way may be finished, within a grace period; then close. Told once.
  virtual void draining() = 0;
  // Whatever the reason: nothing can be sent any more.
  virtual void closed() = 0;
};

}  // namespace troupe::http
