#pragma once
// Binds one address and hands accepted sockets to the I/O threads in turn. While max_connections are open
// it does not accept: new clients wait in the kernel's backlog until a connection closes.

#include <memory>
#include <vector>

#include "config/settings.hpp"
#include "http/edge/io_thread.hpp"
#include "http/edge/tls.hpp"

namespace troupe::http::edge {

class listener : public std::enable_shared_from_this<listener> {
 public:
  // Accepts on the first of `threads`.
  listener(config::listener address, std::vector<std::shared_ptr<io_thread>> threads);

  // Before the threads run.
  result<void> bind();
  std::uint16_t port() const { return port_; }
  // On the first thread.
  void accept();
  void close();

 private:
  void accepted(const std::shared_ptr<io_thread>& to, tcp_stream socket);

  const config::listener address_;
  const std::vector<std::shared_ptr<io_thread>> threads_;
  std::size_t next_ = 0;
  std::shared_ptr<asio::ssl::context> tls_;
  asio::basic_socket_acceptor<asio::ip::tcp, executor> acceptor_;
  timer retry_;
  std::uint16_t port_ = 0;
  bool accepting_ = false;
  std::optional<std::pair<std::shared_ptr<io_thread>, tcp_stream>> waiting_;  // accepted, not served yet
};

}  // namespace troupe::http::edge
