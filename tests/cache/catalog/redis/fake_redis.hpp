#pragma once
// A peer on a loopback port that says what a test wants, however wrong.

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "cache/catalog/redis/redis_client.hpp"
#include "tests/cache/catalog/loopback.hpp"

namespace troupe::cache {

class fake_redis {
 public:
  // One connection as the server sees it.
  class peer {
   public:
    explicit peer(int fd) : fd_(fd) {}
    // Reads until `what` has come, and forgets up to there. false: closed before.
    bool expect(std::string_view what);
    void say(std::string_view what);
    bool greet() { return expect("PING\r\n") && (say("+PONG\r\n"), true); }
    void until_closed();

   private:
    int fd_;
    std::string heard_;
  };

  // `talk(peer, n)` for the nth connection (from 0), one at a time, on the fake's thread; closed when it returns.
  explicit fake_redis(std::function<void(peer&, int)> talk);
  ~fake_redis();  // ends a talk that reads
  fake_redis(fake_redis&&) = delete;

  redis_address address() const;
  int connections() const { return connections_.load(); }

 private:
  void serve();

  std::function<void(peer&, int)> talk_;
  loopback_socket listening_;
  std::atomic<int> talking_ = -1, connections_ = 0;
  std::atomic<bool> ends_ = false;
  std::thread thread_;
};

}  // namespace troupe::cache
