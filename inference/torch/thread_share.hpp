#pragma once
// How many threads the work that this thread begins next may use. No Torch types here.

#include <atomic>
#include <cstdint>

namespace troupe::inference {

struct thread_share {
  int threads = 1;
  bool lone = false;  // more than its slot's own, because nothing else runs now
  // Batches that run in the process, this one counted: above one, helpers of a lone batch leave it (fork_join.hpp).
  // Null: they stay. Outlives the work.
  const std::atomic<std::uint32_t>* batches = nullptr;
};

// For this thread, from now on: OpenMP's regions, and fork_join.hpp's blocks. An OpenMP region waits for all its
// threads: a lone batch has them only where there are cores to spare (docs/experiments.md, a).
void use_threads(const thread_share& share);
const thread_share& threads_in_use() noexcept;

}  // namespace troupe::inference
