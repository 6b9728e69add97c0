#pragma once
// A redis-server of the tests' own: a child on a free loopback port (or a Unix socket) with a folder, gone with its
// owner. Ready when start() returns.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cache/catalog/redis/redis_client.hpp"

namespace troupe::cache {

class redis_server {
 public:
  enum class place { port, unix_socket, tls_port };

  // `arguments`: {"--maxmemory", "1mb"}. The owner's thread lives as long as the server.
  explicit redis_server(std::vector<std::string> arguments = {}, place where = place::port);
  ~redis_server();
  redis_server(redis_server&&) = delete;

  void start();  // where it was before, empty
  void stop();   // SIGKILL
  void restart() { stop(), start(); }
  void pause();  // SIGSTOP: the kernel still accepts and takes what is sent
  void proceed();

  redis_address address() const;
  const std::string& port() const { return port_; }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  bool try_start();

  std::vector<std::string> arguments_;
  place where_;
  std::filesystem::path folder_;
  std::string port_;
  pid_t pid_ = 0;
};

}  // namespace troupe::cache
