#pragma once
// When a Redis that fails is left alone, and when it is tried again. Pure; one thread at a time.

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace troupe::cache {

class breaker {
 public:
  using duration = std::chrono::milliseconds;
  struct limits {
    std::uint32_t failures_max = 3;     // one after the other
    std::uint32_t successes_min = 100;  // before it counts as well again
    duration first_pause{500}, longest_pause{30000};
  };
  explicit breaker(limits at_most) : limits_(at_most), pause_(std::min(at_most.first_pause, at_most.longest_pause)) {}

  bool open() const noexcept { return open_; }
  void succeeded() noexcept {
    if (open_) return;
    failures_ = 0;
    if (++successes_ >= limits_.successes_min) pause_ = std::min(limits_.first_pause, limits_.longest_pause);
  }
  // True: it opens by this one, and is to be tried after pause().
  bool failed() noexcept {
    if (open_ || ++failures_ < limits_.failures_max) return false;
    trip();
    return true;
  }
  void trip() noexcept { open_ = true; }  // it is known to be gone
  // The pause before the next try, longer each time that one fails.
  duration pause() noexcept {
    const auto now = pause_;
    pause_ = std::min(pause_ * 2, limits_.longest_pause);
    return now;
  }
  // The pause stays as long as it is until it has answered for a while: one that answers a PING and nothing else is
  // left alone longer each time.
  void close() noexcept {
    open_ = false;
    failures_ = successes_ = 0;
  }

 private:
  const limits limits_;
  bool open_ = false;
  std::uint32_t failures_ = 0, successes_ = 0;
  duration pause_;
};

}  // namespace troupe::cache
