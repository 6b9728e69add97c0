#pragma once
// Pure policies on how much a model is used: its priority, its expiry, and when a crashed one may come back.

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

// Doubles from min to max.
std::chrono::milliseconds restart_backoff(std::uint32_t crashes, std::chrono::milliseconds min,
                                          std::chrono::milliseconds max) noexcept;

}  // namespace troupe::actors
