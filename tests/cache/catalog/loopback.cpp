#include "tests/cache/catalog/loopback.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace troupe::cache {

loopback_socket::loopback_socket() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof to;
  if (::bind(fd_, reinterpret_cast<sockaddr*>(&to), size) != 0 ||
      ::getsockname(fd_, reinterpret_cast<sockaddr*>(&to), &size) != 0) {
    ::close(fd_);
    throw std::runtime_error("no free port");
  }
  port_ = std::to_string(ntohs(to.sin_port));
}

loopback_socket::~loopback_socket() { ::close(fd_); }

void loopback_socket::listen() const {
  if (::listen(fd_, 16) != 0) throw std::runtime_error("cannot listen");
}

std::string free_port() { return loopback_socket().port(); }

}  // namespace troupe::cache
