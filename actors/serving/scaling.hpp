#pragma once
// Pure policies of a resident model: how many instances it should have, and what it may still admit.

#include <chrono>
#include <cstdint>

#include "config/error.hpp"

namespace troupe::actors {

// Instances that a model should have now: as many as its plan runs beside each other; one less when it has needed
// fewer for `shrink_after`.
struct scaling_input {
  std::uint32_t instances = 1, max_instances = 1;
  std::uint32_t wanted = 0;                  // batches that run or are about to
  std::chrono::nanoseconds idle_surplus{0};  // since when not all instances were needed
};
std::uint32_t desired_instances(const scaling_input& in) noexcept;
inline constexpr std::chrono::seconds shrink_after{30};

// Can an item that waits behind `queued_cost` be done by its deadline at `cost_per_s`? Unknown rates admit.
bool can_finish(std::uint64_t queued_cost, double cost_per_s, steady_time now, steady_time deadline) noexcept;

}  // namespace troupe::actors
