#include "actors/serving/returns.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace troupe::actors {

void returns::forget_late(steady_time now) {
  std::erase_if(cohorts_, [&](const cohort& c) {
    assert(c.came <= c.items && "R1");
    if (c.until >= now && c.came < c.items) return false;
    ratio_ += blend * (static_cast<double>(c.came) / static_cast<double>(c.items) - ratio_);
    assert(ratio_ >= 0 && ratio_ <= 1 && "R2");
    return true;
  });
}

void returns::answered(std::uint64_t items, steady_time now, steady_time until) {
  forget_late(now);
  if (items != 0) cohorts_.push_back({items, 0, until});
}

void returns::arrived(std::uint64_t items, steady_time now) {
  forget_late(now);
  for (auto& c : cohorts_) {
    const auto taken = std::min(items, c.items - c.came);
    c.came += taken;
    items -= taken;
    if (items == 0) break;
  }
}

returns::expected returns::due(steady_time now) {
  forget_late(now);
  expected e;
  double items = 0;
  for (const auto& c : cohorts_) {
    const double open = ratio_ * static_cast<double>(c.items) - static_cast<double>(c.came);
    if (open <= 0) continue;
    items += open;
    e.until = std::max(e.until, c.until);
  }
  e.items = static_cast<std::uint64_t>(std::lround(items));
  return e;
}

}  // namespace troupe::actors
