#pragma once
// Redis over one connection and one thread of its own: commands of all callers are pipelined, each has a deadline, and
// what is lost is made anew with a growing pause. hiredis writes the commands and reads the replies; the bytes go over
// Asio, with TLS where the URL says rediss.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/error.hpp"

namespace troupe::cache {

// "redis[s]://[user[:password]@]host[:port][/database]" (percent-decoded), or "unix:///path[?db=N]".
struct redis_address {
  std::string host = "127.0.0.1", port = "6379", unix_path, user, password;
  std::uint32_t database = 0;
  bool tls = false;
};
// bad_request, without the password.
result<redis_address> parse_redis_url(std::string_view url);
// For logs: never the password.
std::string text_of(const redis_address& address);

struct redis_reply {
  struct nil {};
  struct status {
    std::string text;
  };
  struct failure {
    std::string text;  // "WRONGTYPE .."
  };
  using list = std::vector<redis_reply>;
  std::variant<nil, status, failure, std::int64_t, std::string, list> value;

  bool is_nil() const { return std::holds_alternative<nil>(value); }
  std::string* text() { return std::get_if<std::string>(&value); }
  const failure* failed() const { return std::get_if<failure>(&value); }
  list* items() { return std::get_if<list>(&value); }
};

// Addresses of a name; blocks; errors are unavailable.
using redis_resolver = std::function<result<std::vector<std::string>>(const std::string& host)>;

struct redis_options {
  redis_address address;
  std::string ca_file;             // empty: the system's
  std::uint32_t timeout_ms = 100;  // of a command, from asking to its reply
  // Of connecting, from the name to the first PONG. Nobody waits for it, and its round trips may take longer than a
  // command.
  std::uint32_t connect_timeout_ms = 1000;
  // A connection that says nothing for so long, though asked (PING where nothing else is), is made anew: at the
  // earliest half of it after the question. At least twice timeout_ms is taken.
  std::uint32_t silence_ms_max = 1000;
  std::uint64_t reply_bytes_max =
      64ull << 20;                   // sizeof(redis_reply) an element included; a larger one ends the connection
  std::uint32_t waiting_max = 4096;  // commands without a reply; more fail at once (too_many_requests)
  std::uint64_t waiting_bytes_max = 64ull << 20;         // as they are sent, likewise
  std::uint32_t retry_min_ms = 50, retry_max_ms = 2000;  // pause between attempts to connect
  redis_resolver resolve;                                // empty: the system's; tests have their own
};

enum class redis_state : std::uint8_t { connecting, ready, down };

// A command that is out of time is answered (deadline_exceeded), and its reply, when it comes after all, is dropped in
// its turn: no other command gets it, and a server that was slow for a moment is used again at once. It may have been
// carried out: so may one that was lost with its connection.
class redis_client {
 public:
  // unavailable: not connected, or lost while waiting; deadline_exceeded: no reply in time; too_many_requests: of
  // waiting_max and waiting_bytes_max; payload_too_large: the reply; bad_request: no words, or over 1 GiB. A failure
  // that Redis itself replies (OOM, WRONGTYPE) is a redis_reply. On the client's thread: short, must not block.
  using answer = std::function<void(result<redis_reply>)>;
  using answers = std::function<void(result<std::vector<redis_reply>>)>;

  // Every command left is answered unavailable, what after() holds is dropped; joins the thread, which waits for
  // nothing: not for Redis, and not for a name. Not on the client's thread.
  virtual ~redis_client() = default;

  // Any thread; the arguments may hold any bytes. What one thread asks goes out in this order. Answered at once, before
  // it returns, where it is not sent: while not connected, too much waiting, bad_request. One reply a command: none
  // that subscribe, block or change the protocol (SUBSCRIBE, MONITOR, CLIENT REPLY, HELLO 3).
  virtual void ask(std::vector<std::string> command, answer then) = 0;
  // Several as one: sent together, answered together with one reply each, in order, or with one error.
  virtual void ask_all(std::vector<std::vector<std::string>> commands, answers then) = 0;
  virtual redis_state state() const = 0;
  virtual std::string last_error() const = 0;  // why it is down; empty: it is not

  // Runs `f` on the client's thread after `delay`; dropped when the client ends.
  virtual void after(std::chrono::milliseconds delay, std::function<void()> f) = 0;

  // `on_state` is called on the client's thread at each change: from connecting to ready or down, then between these
  // two; not from the destructor on. Nothing is sent before on_state(ready) has returned, and what it asks itself goes
  // out first, whatever others have asked meanwhile and beside the limits: the place to make up for what was missed.
  // on_state(down) comes before the answers of what was lost.
  static std::unique_ptr<redis_client> make(redis_options options, std::function<void(redis_state)> on_state);
};

// A second connection that listens to one channel, on a thread of its own too. `on_message` gets each payload;
// `on_listening` is called whenever (again) subscribed: messages before that may have been missed. Both on the
// listener's thread: short, must not block. The other side is asked for a sign of life (silence_ms_max), so that a dead
// connection is not taken for a quiet channel. One that may not listen tries again as one that is not connected does:
// after a pause that grows to retry_max_ms. The log says once that it hears, cannot be reached, or may not listen.
class redis_listener {
 public:
  virtual ~redis_listener() = default;  // joins the thread, which waits for nothing; not on the listener's thread
  virtual bool listening() const = 0;   // any thread
  virtual std::string last_error() const = 0;  // why it is not; empty: it is
  static std::unique_ptr<redis_listener> make(redis_options options, std::string channel,
                                              std::function<void(std::string)> on_message,
                                              std::function<void()> on_listening);
};

}  // namespace troupe::cache
