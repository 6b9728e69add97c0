#pragma once
// One HTTP request and the way to answer it, free of RESTinio: handlers depend on this alone, so that
// plain and TLS listeners (different traits types) share them.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/error.hpp"
#include "config/settings.hpp"

namespace troupe::http {

using header_list = std::vector<std::pair<std::string, std::string>>;

struct response {
  unsigned status = 200;
  std::string body;
  std::string content_type = "application/json";
  header_list headers;  // beyond Content-Type, Content-Length, Date, Server, X-Request-Id and CORS, which others add
};

// How a family of routes words an error: the envelope (http/core/errors.hpp), or its clients' own shape beside the
// same status.
using error_writer = std::function<response(const error& why, std::string_view request_id, header_list headers)>;

// A body that is sent in chunks while it comes. Any thread; calls are ordered by the caller.
class body_stream {
 public:
  virtual ~body_stream() = default;           // ends the stream if nobody did
  virtual bool write(std::string chunk) = 0;  // false: the client is gone
  virtual void end() = 0;
  // Bytes written but not yet flushed to the socket: a slow reader shows here.
  virtual std::size_t unflushed_bytes() const = 0;
  // Called once, on the connection's thread, when unflushed_bytes() has fallen below half of
  // `stream_credit_bytes` (at once if it is already), or the client is gone.
  virtual void when_drained(std::function<void()> f) = 0;
};

class live_protocol;  // http/core/live_socket.hpp

class exchange {
 public:
  virtual ~exchange() = default;  // an exchange that is dropped unanswered answers 503

  virtual std::string_view method() const = 0;
  virtual std::string_view path() const = 0;   // as sent, still percent-encoded, without the query
  virtual std::string_view query() const = 0;  // as sent, without '?'; empty if none
  virtual std::optional<std::string_view> header(std::string_view name) const = 0;
  virtual std::string_view body() const = 0;  // as long as the exchange lives, which holds it
  virtual const std::string& request_id() const = 0;
  virtual std::string client_address()
      const = 0;  // of the connection's other end, "10.0.0.7"; a proxy's where there is one
  // Of its listener (config::listener): which routes answer.
  virtual std::string_view dialect() const { return config::usual_dialect; }
  // Set when the edge has refused the request (413, 431, ..): the handler answers with the envelope and
  // does nothing else. 0: not refused.
  virtual unsigned refused_status() const = 0;
  virtual std::string_view refused_reason() const = 0;

  // Exactly one of respond (or fail) and start_stream, once; any thread.
  virtual void respond(response r) = 0;
  // Said once it is known whose route this is, before anybody else has the exchange; the envelope where nobody does.
  // The 503 of a dropped exchange is worded like this, too.
  virtual void word_errors(error_writer words) { words_ = std::move(words); }
  virtual response error_answer(const error& why, header_list headers) const;
  void fail(const error& why, header_list headers = {}) { respond(error_answer(why, std::move(headers))); }
  virtual std::shared_ptr<body_stream> start_stream(unsigned status, std::string content_type, header_list headers) = 0;
  // Instead of an answer: the connection becomes a WebSocket, and what comes on it is told to `protocol`. `subprotocol`
  // is one that the client offers (upgrade.hpp), or empty. An error is still to be answered: unavailable (the server is
  // ending), bad_request (the client has ended its side). REQUIRES: upgrade_fault() finds nothing; the connection's
  // thread.
  virtual result<void> upgrade(std::string subprotocol, std::shared_ptr<live_protocol> protocol) = 0;
  // `f` runs once if the client leaves before the answer is complete; at once if it already has.
  virtual void on_disconnect(std::function<void()> f) = 0;
  // The client has ended its side of the connection: it may still read, or be gone. On the connection's thread.
  virtual bool half_closed() const = 0;
  // Runs `f` on the connection's I/O thread (serialisation belongs there, not on compute threads).
  virtual void post(std::function<void()> f) = 0;
  // Runs `f` on the same thread after `delay`; dropped without running when the server stops.
  virtual void after(std::chrono::milliseconds delay, std::function<void()> f) = 0;

 private:
  error_writer words_;
};
using exchange_ptr = std::shared_ptr<exchange>;
using handler = std::function<void(exchange_ptr)>;

}  // namespace troupe::http
