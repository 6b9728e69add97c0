#pragma once
// How many threads the work that this thread begins next may use. No Torch types here.

#include <atomic>
#include <cstdint>

namespace troupe::inference {

struct thread_share {
  int threads = 1;
  // Of a batch that has them because nothing else runs: the batches that run in the process, itself counted. Above one,
  // helpers leave (fork_join.hpp). Null: they stay. Outlives the work. A batch whose slot was replaced while it hung is
  // not counted: beside it helpers stay until it ends.
  const std::atomic<std::uint32_t>* batches = nullptr;
};

// For this thread, from now on: OpenMP's regions, and fork_join.hpp's blocks.
void use_threads(const thread_share& share);
const thread_share& threads_in_use() noexcept;

}  // namespace troupe::inference
