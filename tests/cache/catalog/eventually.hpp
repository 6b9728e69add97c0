#pragma once
// Waiting for what other threads do.

#include <chrono>
#include <thread>

namespace troupe::cache {

inline constexpr auto patience = std::chrono::seconds(20);

// False: it has not come within all patience.
template <class F>
bool eventually(const F& f) {
  for (const auto end = std::chrono::steady_clock::now() + patience; !f();) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace troupe::cache
