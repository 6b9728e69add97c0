#pragma once
// The listeners: accepts, enforces the edge's limits, and calls one handler for every request of every
// listener. Owns the I/O threads. start() and stop() from one thread.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "http/core/exchange.hpp"

namespace prometheus {
class Registry;
}

namespace troupe::http {

// Limit of the body for a route, in bytes; asked when a request's head has been read.
using body_limit = std::function<std::uint64_t(std::string_view method, std::string_view path)>;

// `io_threads`, or what is chosen from the cores where that is 0.
std::uint32_t chosen_io_threads(std::uint32_t wanted);

class server {
 public:
  server(const config::settings& settings, handler on_request, body_limit limit_for, prometheus::Registry& metrics);
  ~server();

  // Binds every listener, then accepts. The error names the address and why.
  result<void> start();
  // The ports really bound, in the order of settings.listeners.
  std::vector<std::uint16_t> ports() const;
  // Stops accepting; open connections go on and are told `Connection: close`.
  void stop_accepting();
  // Closes everything; responses not yet written are lost, so wait for them before.
  void stop();
  // Requests handed to the handler and not yet answered completely.
  std::uint32_t open_exchanges() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace troupe::http
