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
    std::uint32_t failures_max = 3;  // one after the other
    duration first_pause{500}, longest_pause{30000};
  };
  explicit breaker(limits at_most) : limits_(at_most), pause_(std::min(at_most.first_pause, at_most.longest_pause)) {}

  bool open() const noexcept { return open_; }
  void succeeded() noexcept {
    if (!open_) failures_ = 0;
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
  void close() noexcept {
    open_ = false;
    failures_ = 0;
    pause_ = std::min(limits_.first_pause, limits_.longest_pause);
  }

 private:
  const limits limits_;
  bool open_ = false;
  std::uint32_t failures_ = 0;
  duration pause_;
};

}  // namespace troupe::cache
