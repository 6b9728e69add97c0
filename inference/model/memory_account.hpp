#pragma once
// What one model holds in private memory, to the byte: what the memory ledger calls its private bytes.

#include <atomic>
#include <cassert>
#include <cstdint>

namespace troupe::inference {

// Any thread. Owned together by the model, its instances and every allocation that is charged to it.
class memory_account {
 public:
  std::uint64_t live_bytes() const noexcept { return live_.load(std::memory_order_relaxed); }
  void charge(std::uint64_t size_bytes) noexcept { live_.fetch_add(size_bytes, std::memory_order_relaxed); }
  // REQUIRES that so much was charged and not yet released.
  void release(std::uint64_t size_bytes) noexcept {
    [[maybe_unused]] const auto before = live_.fetch_sub(size_bytes, std::memory_order_relaxed);
    assert(before >= size_bytes);
  }

 private:
  std::atomic<std::uint64_t> live_{0};
};

}  // namespace troupe::inference
