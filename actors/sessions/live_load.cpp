#include "actors/sessions/live_load.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

constexpr std::uint64_t steps_least = 16;

}  // namespace

live_load::answer live_load::admit(std::uint32_t sessions, std::uint32_t active) const noexcept {
  if (sessions >= limits_.max_sessions) return answer::too_many;
  return active > 0 && share_of(active + 1) > limits_.max_share ? answer::too_slow : answer::welcome;
}

void live_load::ran(std::chrono::microseconds share, std::chrono::microseconds sound) noexcept {
  if (sound.count() <= 0) return;
  costs_[steps_ % costs_.size()] = static_cast<double>(share.count()) / static_cast<double>(sound.count());
  if (++steps_ < steps_least) return;
  auto last = costs_;
  const auto end = last.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(steps_, last.size()));
  const auto middle = last.begin() + (end - last.begin()) / 2;
  std::nth_element(last.begin(), middle, end);
  cost_ = *middle;
}

double live_load::share_of(std::uint32_t active) const noexcept { return cost_ * active / slots_; }

}  // namespace troupe::actors
