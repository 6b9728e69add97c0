#include "actors/sessions/live_load.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

constexpr std::uint64_t steps_least = 16;

}  // namespace

live_load::answer live_load::admit(std::uint32_t sessions, fed_sessions active) const noexcept {
  if (sessions >= limits_.max_sessions) return answer::too_many;
  const auto then = share_of({active.all + 1, active.speaking + 1});
  return active.all > 0 && then > limits_.max_share ? answer::too_slow : answer::welcome;
}

void live_load::ran(stage which, std::chrono::microseconds share, std::chrono::microseconds sound) noexcept {
  if (sound.count() <= 0) return;
  const auto cost = static_cast<double>(share.count()) / static_cast<double>(sound.count());
  (which == stage::listening ? listening_ : recognising_).take(cost);
}

double live_load::share_of(fed_sessions active) const noexcept {
  return (listening_.cost * active.all + recognising_.cost * active.speaking) / slots_;
}

void live_load::learned::take(double step) noexcept {
  last[steps % last.size()] = step;
  if (++steps < steps_least) return;
  auto sorted = last;
  const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(steps, sorted.size()));
  const auto middle = sorted.begin() + (end - sorted.begin()) / 2;
  std::nth_element(sorted.begin(), middle, end);
  cost = *middle;
}

}  // namespace troupe::actors
