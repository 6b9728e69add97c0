#pragma once
// Long work of this room (filling pages, reading a vocabulary, a BERT's first run) calls step_aside() about once a
// millisecond; what LibTorch does in one call (reading a TorchScript file, running it) cannot. That does nothing unless
// the thread was given a way to make room for others: a loader beside resident models waits there until no batch runs.

#include <functional>

namespace troupe::inference {

// Any thread; returns at once unless a step_aside_scope is open on this thread.
void step_aside();

// While it lives, step_aside() on this thread calls `wait`, which returns after a bounded time and never
// throws. One a thread.
class step_aside_scope {
 public:
  explicit step_aside_scope(std::function<void()> wait);
  ~step_aside_scope();
  step_aside_scope(const step_aside_scope&) = delete;
  step_aside_scope& operator=(const step_aside_scope&) = delete;
};

}  // namespace troupe::inference
