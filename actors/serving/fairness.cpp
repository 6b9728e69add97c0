#include "actors/serving/fairness.hpp"

#include <algorithm>
#include <cassert>

namespace troupe::actors {

void fair_queue::push(const slot_wish& wish) {
  assert(std::none_of(wishes_.begin(), wishes_.end(),
                      [&](const slot_wish& w) { return w.lease == wish.lease && w.background == wish.background; }) &&
         "F1");
  // A model that was idle starts at the present, not with credit saved up.
  auto& vt = virtual_time_[wish.lease];
  vt = std::max(vt, clock_);
  wishes_.push_back(wish);
}

std::optional<slot_wish> fair_queue::pop(std::uint32_t idle_slots, std::uint32_t all_slots, bool quiet) {
  auto best = wishes_.end();
  for (auto w = wishes_.begin(); w != wishes_.end(); ++w) {
    if (w->background) continue;
    if (best == wishes_.end() || virtual_time_[w->lease] < virtual_time_[best->lease]) best = w;
  }
  if (best == wishes_.end() && quiet && (idle_slots > 1 || all_slots == 1)) best = wishes_.begin();
  if (best == wishes_.end()) return std::nullopt;
  const auto wish = *best;
  wishes_.erase(best);
  clock_ = std::max(clock_, virtual_time_[wish.lease]);
  return wish;
}

void fair_queue::charge(lease_id lease, config::priority priority, std::chrono::nanoseconds used) {
  assert(used.count() >= 0 && "F2");
  if (const auto vt = virtual_time_.find(lease); vt != virtual_time_.end())
    vt->second += static_cast<double>(used.count()) / weight(priority);
}

void fair_queue::forget(lease_id lease) {
  std::erase_if(wishes_, [&](const slot_wish& w) { return w.lease == lease; });
  virtual_time_.erase(lease);
}

std::size_t fair_queue::background_waiting() const noexcept {
  return static_cast<std::size_t>(
      std::count_if(wishes_.begin(), wishes_.end(), [](const slot_wish& w) { return w.background; }));
}

bool is_lone(const company& c) noexcept {
  return c.busy_slots == 0 && c.waiting == 0 && c.loads == 0 && c.since_shared >= lone_after;
}

std::uint32_t threads_for_batch(bool lone, std::uint32_t threads_per_slot, std::uint32_t lone_threads) noexcept {
  return std::max(1u, lone ? std::max(lone_threads, threads_per_slot) : threads_per_slot);
}

}  // namespace troupe::actors
