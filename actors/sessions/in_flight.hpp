#pragma once
// What a session or a recording is to the server's end, which waits for it within its grace.

#include <atomic>
#include <cstdint>
#include <memory>

namespace troupe::actors {

// Counted as in flight while it lives. Any thread.
inline std::shared_ptr<void> counted(const std::shared_ptr<std::atomic<std::uint32_t>>& in_flight) {
  in_flight->fetch_add(1);
  return {nullptr, [in_flight](void*) { in_flight->fetch_sub(1); }};
}

}  // namespace troupe::actors
