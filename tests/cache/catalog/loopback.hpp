#pragma once
// Ports of 127.0.0.1 for the servers of the tests' own.

#include <string>

namespace troupe::cache {

// Bound to a port that is its own as long as it lives.
class loopback_socket {
 public:
  loopback_socket();  // throws
  ~loopback_socket();
  loopback_socket(loopback_socket&&) = delete;

  void listen() const;  // throws
  int fd() const { return fd_; }
  const std::string& port() const { return port_; }

 private:
  int fd_;
  std::string port_;
};

// A port that was free a moment ago.
std::string free_port();

}  // namespace troupe::cache
