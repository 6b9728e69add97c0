#pragma once
// The gate of a resident model: how many items are inside (queued or running), and whether it is closed.
// One atomic word, so that "nobody is inside" and "nobody may enter" are decided together: an idle model is
// evicted without asking it, a busy one never is, and no item reaches a model that is gone.
//
// What holds:
// G1  As many are inside as have entered and not left; nobody leaves who is not inside.
// G2  A closed gate stays closed and lets nobody in.
// G3  That a closed gate is empty is told by one call: the one that closed it, or the last leave().

#include <atomic>
#include <cassert>
#include <cstdint>

namespace troupe::actors {

class gate {
 public:
  enum class entry { entered, full, closed };

  // Any thread. All of `items` or none.
  entry try_enter(std::uint32_t items, std::uint32_t limit) noexcept {
    auto word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if (word & closed_bit) return entry::closed;
      if (word + items > limit) return entry::full;
      if (word_.compare_exchange_weak(word, word + items, std::memory_order_acq_rel)) return entry::entered;
    }
  }

  // True when this call was the last one out of a closed gate. REQUIRES that so many are inside.
  bool leave(std::uint32_t items) noexcept {
    const auto before = word_.fetch_sub(items, std::memory_order_acq_rel);
    assert((before & ~closed_bit) >= items && "G1: more leave than are inside");
    return before == (closed_bit | items);
  }

  // Closes only if nobody is inside.
  bool try_close_if_idle() noexcept {
    std::uint64_t idle = 0;
    return word_.compare_exchange_strong(idle, closed_bit, std::memory_order_acq_rel);
  }

  // Closes; true when nobody was inside. Otherwise the last leave() tells.
  bool close() noexcept { return (word_.fetch_or(closed_bit, std::memory_order_acq_rel) & ~closed_bit) == 0; }

  std::uint32_t inside() const noexcept {
    return static_cast<std::uint32_t>(word_.load(std::memory_order_relaxed) & ~closed_bit);
  }
  bool is_closed() const noexcept { return word_.load(std::memory_order_relaxed) & closed_bit; }

 private:
  static constexpr std::uint64_t closed_bit = std::uint64_t{1} << 63;
  std::atomic<std::uint64_t> word_{0};
};

}  // namespace troupe::actors
