#include "actors/residency/usage.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::actors {

void decayed_use::add(double uses, steady_time now, std::chrono::seconds half_life) {
  value_ = at(now, half_life) + uses;
  as_of_ = now;
}

double decayed_use::at(steady_time now, std::chrono::seconds half_life) const {
  if (value_ == 0 || half_life.count() == 0) return value_;
  const std::chrono::duration<double> age = now - as_of_;
  return value_ * std::exp2(-age.count() / static_cast<double>(half_life.count()));
}

config::priority effective_priority(std::optional<config::priority> registered, bool preloaded, double use,
                                    double all_use) noexcept {
  if (registered) return *registered;
  if (preloaded) return config::priority::high;
  if (use < 1) return config::priority::low;
  if (use >= 10 && use >= 0.1 * all_use) return config::priority::high;
  return config::priority::medium;
}

expiry check_expiry(std::chrono::seconds ttl, std::chrono::nanoseconds idle, bool preloaded, bool busy) noexcept {
  if (ttl.count() == 0 || busy || idle < ttl) return expiry::keep;
  return preloaded ? expiry::revalidate : expiry::unload;
}

std::chrono::milliseconds restart_backoff(std::uint32_t crashes, std::chrono::milliseconds min,
                                          std::chrono::milliseconds max) noexcept {
  const auto doublings = std::min<std::uint32_t>(crashes > 0 ? crashes - 1 : 0, 20);
  return std::min(max, min * (std::int64_t{1} << doublings));
}

}  // namespace troupe::actors
