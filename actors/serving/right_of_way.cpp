#include "actors/serving/right_of_way.hpp"

#include <thread>

namespace troupe::actors {

void right_of_way::batch_ended() noexcept {
  last_ended_.store(std::chrono::steady_clock::now().time_since_epoch());
  const auto before = batches_.fetch_sub(1);
  assert(before > 0 && "O1");
  if (before == 1 && waiting_.load() != 0) wake();
}

void right_of_way::wake() noexcept {
  { const std::lock_guard lock(mutex_); }  // whoever has looked and not yet slept sleeps now, and is woken
  free_.notify_all();
}

bool right_of_way::give_way(const std::atomic<bool>& hurried, std::chrono::microseconds most,
                            std::chrono::microseconds hurried_most) {
  const auto free = [&] { return batches_.load() == 0; };
  const auto until = std::chrono::steady_clock::now() + most;
  bool waited = false;
  while (!free()) {
    waited = true;
    std::unique_lock lock(mutex_);
    waiting_.fetch_add(1);
    const bool in_time = free_.wait_until(lock, until, [&] { return free() || hurried.load(); });
    if (in_time && !free()) free_.wait_for(lock, hurried_most, free);
    waiting_.fetch_sub(1);
    lock.unlock();
    if (!in_time || hurried.load()) break;
    std::this_thread::sleep_for(settle_);
  }
  return waited;
}

}  // namespace troupe::actors
