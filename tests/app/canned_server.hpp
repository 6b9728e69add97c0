#pragma once
// Servers that answer with given bytes, for tests of clients.

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace troupe::app {

// A server of one thread that answers whatever it reads with the same bytes, one connection at a time or all.
class canned_server {
 public:
  explicit canned_server(std::function<void(int fd)> serve) : serve_(std::move(serve)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    listen(listener_, 64);
    socklen_t length = sizeof a;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&a), &length);
    url = "http://127.0.0.1:" + std::to_string(ntohs(a.sin_port));
    accepting_ = std::thread([this] {
      for (int fd; (fd = accept(listener_, nullptr, nullptr)) >= 0;) {
        threads_.emplace_back([this, fd] {
          serve_(fd);
          close(fd);
        });
      }
    });
  }
  ~canned_server() {
    shutdown(listener_, SHUT_RDWR);
    accepting_.join();
    for (auto& t : threads_) t.join();
    close(listener_);
  }
  std::string url;

 private:
  std::function<void(int)> serve_;
  int listener_;
  std::thread accepting_;
  std::vector<std::thread> threads_;
};

// Answers each request (that comes in one piece) with `answer`, at most `most` times.
inline std::function<void(int)> answering(std::string answer, int most = 1 << 30) {
  return [answer, most](int fd) {
    char buffer[65536];
    for (int i = 0; i < most && recv(fd, buffer, sizeof buffer, 0) > 0; ++i) {
      if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
    }
  };
}

}  // namespace troupe::app
