#pragma once
// Pure policies on how much a model is used: its priority, its expiry, its number of instances, and when a
// crashed one may come back.

#include <chrono>
#include <cstdint>
#include <optional>

#include "config/error.hpp"
#include "config/registry.hpp"

namespace troupe::actors {

// Uses, each worth half as much after every half-life. Owned by the supervisor.
class decayed_use {
 public:
  void add(double uses, steady_time now, std::chrono::seconds half_life);
  double at(steady_time now, std::chrono::seconds half_life) const;

 private:
  double value_ = 0;
  steady_time as_of_{};
};

// The registry's word, else high for preloaded models, else from decayed use: never used is low, as is less
// than one use left of it; a tenth of all use (and at least ten uses) is high; medium between.
config::priority effective_priority(std::optional<config::priority> registered, bool preloaded, double use,
                                    double all_use) noexcept;

enum class expiry { keep, unload, revalidate };

// Idle for longer than the TTL: unload, but a preloaded or pinned model is re-validated against its artifact.
expiry check_expiry(std::chrono::seconds ttl, std::chrono::nanoseconds idle, bool preloaded, bool busy) noexcept;

// Instances that a model should have now: as many as its plan runs beside each other; one less when it has needed
// fewer for `shrink_after`.
struct scaling_input {
  std::uint32_t instances = 1, max_instances = 1;
  std::uint32_t wanted = 0;                        // batches that run or are about to
  std::chrono::nanoseconds idle_surplus{0};        // since when not all instances were needed
};
std::uint32_t desired_instances(const scaling_input& in) noexcept;
inline constexpr std::chrono::seconds shrink_after{30};

// Doubles from min to max.
std::chrono::milliseconds restart_backoff(std::uint32_t crashes, std::chrono::milliseconds min,
                                          std::chrono::milliseconds max) noexcept;

// Can an item that waits behind `queued_cost` be done by its deadline at `cost_per_s`? Unknown rates admit.
bool can_finish(std::uint64_t queued_cost, double cost_per_s, steady_time now, steady_time deadline) noexcept;

}  // namespace troupe::actors
