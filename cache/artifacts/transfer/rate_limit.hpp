#pragma once
// A bucket of bytes that fills at a rate. Pure: the time is given.

#include <algorithm>
#include <cstdint>

#include "config/error.hpp"

namespace troupe::cache {

// Bytes that are there already are let through and owed: the next ones wait until that is paid.
class rate_limit {
 public:
  // 0: unlimited. A tenth of a second's bytes may come at once.
  rate_limit(std::uint64_t bytes_s, steady_time now) : rate_(static_cast<double>(bytes_s)), at_(now) {}

  bool limited() const noexcept { return rate_ > 0; }
  // When more may come: `now`, or later.
  steady_time ready_at(steady_time now) noexcept {
    fill(now);
    if (!limited() || bytes_ >= 0) return now;
    return now + std::chrono::ceil<steady_clock::duration>(std::chrono::duration<double>(-bytes_ / rate_));
  }
  void took(std::uint64_t bytes) noexcept {
    if (limited()) bytes_ -= static_cast<double>(bytes);
  }

 private:
  void fill(steady_time now) noexcept {
    if (now <= at_) return;
    bytes_ = std::min(rate_ / 10, bytes_ + rate_ * std::chrono::duration<double>(now - at_).count());
    at_ = now;
  }
  double rate_;
  double bytes_ = 0;
  steady_time at_;
};

}  // namespace troupe::cache
