#include "actors/right_of_way.hpp"

namespace troupe::actors {

void right_of_way::batch_ended() noexcept {
  if (batches_.fetch_sub(1) == 1 && waiting_.load() != 0) wake();
}

void right_of_way::wake() noexcept {
  { const std::lock_guard lock(mutex_); }  // whoever has looked and not yet slept sleeps now, and is woken
  free_.notify_all();
}

void right_of_way::give_way(const std::atomic<bool>& hurried, std::chrono::microseconds most,
                            std::chrono::microseconds hurried_most) {
  const auto free = [&] { return batches_.load() == 0; };
  if (free()) return;
  std::unique_lock lock(mutex_);
  waiting_.fetch_add(1);
  if (free_.wait_for(lock, most, [&] { return free() || hurried.load(); }) && !free())
    free_.wait_for(lock, hurried_most, free);
  waiting_.fetch_sub(1);
}

}  // namespace troupe::actors
