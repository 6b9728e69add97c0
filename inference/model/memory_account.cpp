#include "inference/model/memory_account.hpp"

#include <cassert>

namespace troupe::inference {

void memory_account::charge(std::uint64_t size_bytes) noexcept {
  const auto live = live_.fetch_add(size_bytes, std::memory_order_relaxed) + size_bytes;
  auto peak = peak_.load(std::memory_order_relaxed);
  while (live > peak && !peak_.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
}

void memory_account::release(std::uint64_t size_bytes) noexcept {
  [[maybe_unused]] const auto before = live_.fetch_sub(size_bytes, std::memory_order_relaxed);
  assert(before >= size_bytes);
}

}  // namespace troupe::inference
