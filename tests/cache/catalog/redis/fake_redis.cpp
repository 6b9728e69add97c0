#include "tests/cache/catalog/redis/fake_redis.hpp"

#include <sys/socket.h>
#include <unistd.h>

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
  listening_.listen();
  thread_ = std::thread([this] { serve(); });
}

void fake_redis::serve() {
  for (int n = 0;; ++n) {
    const int fd = ::accept4(listening_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
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
  ::shutdown(listening_.fd(), SHUT_RDWR);
  if (const int fd = talking_.load(); fd >= 0) ::shutdown(fd, SHUT_RDWR);
  thread_.join();
}

redis_address fake_redis::address() const {
  redis_address out;
  out.port = listening_.port();
  return out;
}

}  // namespace troupe::cache
