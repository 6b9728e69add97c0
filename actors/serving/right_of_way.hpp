#pragma once
// Batches go first: a load that shares the cores with resident models works only while no batch runs; once it is
// hurried, between short waits. The kernel's priorities are not enough: at nice 10 alone a loader still made one
// batch in a hundred wait much longer than on a quiet machine (docs/decisions.md).
//
// What holds:
// O1  Each batch and each load that has begun ends once, whatever becomes of its thread.

#include <atomic>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace troupe::actors {

// Shared by the slots, the loaders and the device actor; any thread.
class right_of_way {
 public:
  // After a batch its answers are handed on, and often the next one begins: a load waits for `settle` more.
  explicit right_of_way(std::chrono::microseconds settle = std::chrono::microseconds(200)) : settle_(settle) {}

  // A slot's thread, around each batch.
  void batch_begins() noexcept { batches_.fetch_add(1); }
  void batch_ended() noexcept;

  // Those that run now.
  const std::atomic<std::uint32_t>& batches() const noexcept { return batches_; }

  // No batch runs, and none has for so long.
  bool quiet_for(std::chrono::milliseconds time) const noexcept {
    return batches_.load() == 0 && std::chrono::steady_clock::now().time_since_epoch() - last_ended_.load() >= time;
  }

  // A loader's thread, around each piece of work.
  void load_begins() noexcept { loads_.fetch_add(1); }
  void load_ended() noexcept {
    [[maybe_unused]] const auto before = loads_.fetch_sub(1);
    assert(before > 0 && "O1");
  }
  std::uint32_t loads() const noexcept { return loads_.load(std::memory_order_relaxed); }

  // Returns when no batch runs, or after `most`; after `hurried_most` when `hurried` is or becomes set. Tells whether
  // it waited.
  bool give_way(const std::atomic<bool>& hurried, std::chrono::microseconds most,
                std::chrono::microseconds hurried_most);
  // Those in give_way() look at their `hurried` again.
  void wake() noexcept;

 private:
  const std::chrono::microseconds settle_;
  std::atomic<std::chrono::steady_clock::duration> last_ended_{std::chrono::hours(-24 * 365)};  // long ago
  std::atomic<std::uint32_t> batches_{0}, loads_{0}, waiting_{0};
  std::mutex mutex_;
  std::condition_variable free_;
};

}  // namespace troupe::actors
