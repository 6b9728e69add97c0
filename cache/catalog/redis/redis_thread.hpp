#pragma once
// The loop of one connection and its thread. What runs on it may throw: that costs what it was doing, never the thread.

#include <functional>
#include <thread>

#include "cache/catalog/redis/asio.hpp"

namespace troupe::cache {

class redis_thread {
 public:
  redis_thread() : work_(asio::make_work_guard(loop_)) {}
  ~redis_thread() {
    stop([] {});
  }

  asio::io_context& loop() { return loop_; }
  bool is_here() const { return here == this; }
  void start();
  // Runs `last` on the thread, then nothing more; joins. What is left is destroyed with this.
  void stop(const std::function<void()>& last);

  // Calls `f`; what it throws is logged.
  template <class F, class... A>
  static void call(const F& f, A&&... with) noexcept {
    try {
      f(std::forward<A>(with)...);
    } catch (...) {
      complain();
    }
  }

 private:
  static void complain() noexcept;
  static thread_local const redis_thread* here;

  asio::io_context loop_{1};  // of one thread: none to be woken beside it
  asio::executor_work_guard<asio_executor> work_;
  std::thread thread_;
};

}  // namespace troupe::cache
