#pragma once
// Takes over a socket whose HTTP request asked for a WebSocket. Boost.Beast, which speaks it, is in the .cpp alone.

#include <memory>
#include <string>

#include "http/core/live_socket.hpp"
#include "http/edge/io_thread.hpp"
#include "http/edge/tls.hpp"

namespace troupe::http::edge {

// What the answer to the request (101) is made of.
struct live_terms {
  std::string key;          // Sec-WebSocket-Key: http/core/upgrade.hpp has checked it
  std::string subprotocol;  // one that the client offers, or empty
  std::string request_id;
};

// On `thread`. `rest` was read from the socket after the request. No extension is offered: permessage-deflate would
// cost a session more memory than its sound. Counted as an exchange until it is closed, so that a server that ends
// waits.
void start_live(std::unique_ptr<tcp_stream> socket, connection_slot slot, std::shared_ptr<io_thread> thread,
                std::string rest, live_terms terms, std::shared_ptr<live_protocol> protocol);
void start_live(std::unique_ptr<tls_stream> socket, connection_slot slot, std::shared_ptr<io_thread> thread,
                std::string rest, live_terms terms, std::shared_ptr<live_protocol> protocol);

}  // namespace troupe::http::edge
