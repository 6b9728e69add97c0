#include "tests/cache/catalog/redis/fake_redis.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace troupe::cache {

bool fake_redis::peer::expect(std::string_view what) {
  char text[4096];
  for (;;) {
    if (const auto at = heard_.find(what); at != std::string::npos) {
      heard_.erase(0, at + what.size());
      return true;
    }
    const auto size = ::recv(fd_, text, sizeof text, 0);
    if (size <= 0) return false;
    heard_.append(text, static_cast<std::size_t>(size));
  }
}

void fake_redis::peer::say(std::string_view what) {
  while (!what.empty()) {
    const auto size = ::send(fd_, what.data(), what.size(), MSG_NOSIGNAL);
    if (size <= 0) return;
    what.remove_prefix(static_cast<std::size_t>(size));
  }
}

void fake_redis::peer::until_closed() { expect("\xff never said \xff"); }

fake_redis::fake_redis(std::function<void(peer&, int)> talk) : talk_(std::move(talk)) {
  listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof to;
  if (::bind(listening_, reinterpret_cast<sockaddr*>(&to), size) != 0 || ::listen(listening_, 16) != 0 ||
      ::getsockname(listening_, reinterpret_cast<sockaddr*>(&to), &size) != 0)
    throw std::runtime_error("cannot listen");
  port_ = std::to_string(ntohs(to.sin_port));
  thread_ = std::thread([this] { serve(); });
}

void fake_redis::serve() {
  for (int n = 0;; ++n) {
    const int fd = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++connections_;
    talking_ = fd;
    if (ends_) ::shutdown(fd, SHUT_RDWR);
    peer p(fd);
    talk_(p, n);
    talking_ = -1;
    ::close(fd);
  }
}

fake_redis::~fake_redis() {
  ends_ = true;
  ::shutdown(listening_, SHUT_RDWR);
  if (const int fd = talking_.load(); fd >= 0) ::shutdown(fd, SHUT_RDWR);
  thread_.join();
  ::close(listening_);
}

redis_address fake_redis::address() const {
  redis_address out;
  out.port = port_;
  return out;
}

}  // namespace troupe::cache
