#include "actors/serving/scaling.hpp"

#include <algorithm>

namespace troupe::actors {

std::uint32_t desired_instances(const scaling_input& in) noexcept {
  if (in.wanted > in.instances) return std::min(in.wanted, in.max_instances);
  if (in.instances > 1 && in.idle_surplus >= shrink_after) return in.instances - 1;
  return in.instances;
}

bool can_finish(std::uint64_t queued_cost, double cost_per_s, steady_time now, steady_time deadline) noexcept {
  if (deadline == no_deadline || cost_per_s <= 0) return true;
  const std::chrono::duration<double> left = deadline - now;
  return static_cast<double>(queued_cost) / cost_per_s <= left.count();
}

}  // namespace troupe::actors
