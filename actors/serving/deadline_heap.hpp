#pragma once
// Deadlines of one actor: a heap, served by one delayed message for the earliest. Entries whose job has
// closed in the meantime are dropped when they come up. Not thread-safe: owned by one actor.
//
// What holds:
// H1  The earliest deadline is at the front.
// H2  Each entry has a deadline, and keeps no job alive.

#include <algorithm>
#include <cassert>
#include <memory>
#include <vector>

#include "actors/protocol/job.hpp"

namespace troupe::actors {

class deadline_heap {
 public:
  void push(const job_ptr& j) {
    if (j->deadline == no_deadline) return;
    heap_.push_back({j->deadline, j});
    std::push_heap(heap_.begin(), heap_.end(), later);
    // Closed jobs are swept when they are the most, so that long deadlines do not pile up.
    if (heap_.size() >= sweep_at_) sweep();
  }

  // Earliest deadline of an open job; no_deadline if none.
  steady_time next() {
    while (!heap_.empty() && gone(heap_.front())) pop();
    return heap_.empty() ? no_deadline : heap_.front().due;
  }

  // Open jobs whose deadline has come.
  std::vector<job_ptr> expired(steady_time now) {
    std::vector<job_ptr> due;
    while (!heap_.empty() && (heap_.front().due <= now || gone(heap_.front()))) {
      if (auto j = heap_.front().of.lock(); j && !j->closed()) due.push_back(std::move(j));
      pop();
    }
    return due;
  }

  std::size_t size() const noexcept { return heap_.size(); }

 private:
  struct entry {
    steady_time due;
    std::weak_ptr<job> of;  // the heap must not keep an answered request alive
  };
  static bool later(const entry& a, const entry& b) noexcept { return a.due > b.due; }
  static bool gone(const entry& e) {
    auto j = e.of.lock();
    return !j || j->closed();
  }
  void pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    heap_.pop_back();
  }
  void sweep() {
    std::erase_if(heap_, gone);
    std::make_heap(heap_.begin(), heap_.end(), later);
    assert(std::is_heap(heap_.begin(), heap_.end(), later) && "H1");
    sweep_at_ = std::max<std::size_t>(1024, 2 * heap_.size());
  }

  std::vector<entry> heap_;
  std::size_t sweep_at_ = 1024;
};

}  // namespace troupe::actors
