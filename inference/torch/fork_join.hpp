#pragma once
// One batch on several cores: its work is cut into blocks, which its own thread and helpers take one by one. In place
// of OpenMP's regions, which wait for every thread of their team, also for one that has no core: the caller takes
// blocks like everybody else and never waits for one that nobody has begun.
//
// What holds:
// F1  Each block of a call runs exactly once, and for_blocks() returns when all have.
// F2  A helper touches a call's body only between claiming a block and counting it done.
// F3  With no call to help, a helper spins for at most 50 us, and sleeps at once when its batch has ended, or another
//     batch has begun (looked at with each call).

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace troupe::inference {

class crew;

// While it lives, for_blocks() on this thread has the helpers that the thread's share (thread_share.hpp) grants, and
// OpenMP's regions have one thread. Nests: an inner one changes nothing. Helpers are the process's: started when they
// are first wanted, kept; where no thread can be started there are fewer.
class crew_scope {
 public:
  crew_scope();
  ~crew_scope();
  crew_scope(const crew_scope&) = delete;
  crew_scope& operator=(const crew_scope&) = delete;

 private:
  crew* mine_ = nullptr;
};

// Threads that for_blocks() of this thread has at most; 1 without a crew_scope, and on helpers.
int crew_threads() noexcept;

namespace detail {
void run_blocks(std::uint32_t blocks, void (*call)(void* body, std::uint32_t block), void* body);
}

// body(0) to body(blocks - 1), in any order, on this thread and helpers; those are in c10::InferenceMode and charge no
// memory account. What a block throws is thrown here when all have ended: one of them. REQUIRES blocks < 65,536.
template <class F>
void for_blocks(std::uint32_t blocks, F&& body) {
  using callable = std::remove_reference_t<F>;
  detail::run_blocks(
      blocks, [](void* f, std::uint32_t block) { (*static_cast<callable*>(f))(block); },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

// [from, to) of the `block`-th of `blocks` even parts of `n`, in multiples of `unit` but for the last.
struct block_range {
  std::int64_t from = 0, to = 0;
  std::int64_t size() const noexcept { return to - from; }
};
block_range part_of(std::int64_t n, std::uint32_t block, std::uint32_t blocks, std::int64_t unit = 1) noexcept;

}  // namespace troupe::inference
