#include "actors/sessions/live_load.hpp"

namespace troupe::actors {

namespace {

constexpr double newest_weighs = 0.05;

}  // namespace

live_load::answer live_load::admit(std::uint32_t sessions, std::uint32_t active) const noexcept {
  if (sessions >= limits_.max_sessions) return answer::too_many;
  return share_of(active + 1) > limits_.max_share ? answer::too_slow : answer::welcome;
}

void live_load::ran(std::chrono::microseconds share, std::chrono::microseconds sound) noexcept {
  if (sound.count() <= 0) return;
  const auto cost = static_cast<double>(share.count()) / static_cast<double>(sound.count());
  cost_ = cost_ == 0 ? cost : cost_ + newest_weighs * (cost - cost_);
}

double live_load::share_of(std::uint32_t active) const noexcept { return cost_ * active / slots_; }

}  // namespace troupe::actors
