#include "actors/serving/batch_time.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace troupe::actors {

// What was seen before counts as if it had been seen at the speed of now.
void line_fit::change_speed(double factor) noexcept {
  line_.fixed_us *= factor;
  line_.per_cost_us *= factor;
  for (auto* sum : {&weight_, &cost_, &cost_cost_}) *sum /= factor * factor;  // weights are 1 / time^2
  for (auto* sum : {&took_, &cost_took_}) *sum /= factor;
}

void line_fit::observe(double cost, double took_us) {
  assert(cost >= 1);
  if (took_us <= 0) return;
  if (!line_.known()) line_ = {0, took_us / cost};
  double took = took_us;
  if (++seen_ > settled) {
    // A batch that was held up does not count for as long as it was.
    change_speed(1 + blend * std::clamp(took / line_.at(cost) - 1, -0.5, 0.5));
    took = std::clamp(took, line_.at(cost) / outlier, line_.at(cost) * outlier);
  }
  // By what is expected, not by what was seen: else short times weigh more, and the line sinks under its points.
  const double w = 1 / (line_.at(cost) * line_.at(cost));
  weight_ = decay * weight_ + w;
  cost_ = decay * cost_ + w * cost;
  took_ = decay * took_ + w * took;
  cost_cost_ = decay * cost_cost_ + w * cost * cost;
  cost_took_ = decay * cost_took_ + w * cost * took;

  // Around the weighted mean; the prior counts as two more points on its line, half the mean to either side.
  const double mean_cost = cost_ / weight_, mean_took = took_ / weight_;
  const double prior_slope = line_.per_cost_us * mean_took / line_.at(mean_cost);
  const double spread = std::max(0.0, cost_cost_ - cost_ * mean_cost);
  const double together = cost_took_ - cost_ * mean_took;
  const double prior = prior_weight * weight_ * mean_cost * mean_cost / 4;
  const double slope_max = mean_took / mean_cost;  // fixed >= 0
  line_.per_cost_us = std::clamp((together + prior * prior_slope) / (spread + prior), 0.05 * slope_max, slope_max);
  line_.fixed_us = std::max(0.0, mean_took - line_.per_cost_us * mean_cost);
  assert(line_.known() && "B1");
}

int batch_times::level(std::uint32_t busy_slots) noexcept {
  return static_cast<int>(std::lround(2 * std::log2(std::max(1u, busy_slots))));
}

void batch_times::observe(std::uint32_t busy_slots, double cost, double took_us) {
  const auto l = level(busy_slots);
  auto at = fits_.find(l);
  if (at == fits_.end()) at = fits_.emplace(l, line_fit(beside(busy_slots))).first;
  at->second.observe(std::max(1.0, cost), took_us);
}

void batch_times::guess(double cost, double took_us) noexcept {
  if (took_us > 0) guessed_ = {0, took_us / std::max(1.0, cost)};
}

batch_line batch_times::beside(std::uint32_t busy_slots) const noexcept {
  if (fits_.empty()) return guessed_;
  auto above = fits_.upper_bound(level(busy_slots));
  return above == fits_.begin() ? above->second.line() : std::prev(above)->second.line();
}

}  // namespace troupe::actors
