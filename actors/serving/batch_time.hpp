#pragma once
// How long a batch of one model takes, learned from the model's own batches: time = fixed + per_cost x cost, a line
// for each number of slots that run beside each other. Pure data without a clock; owned by the model actor.
//
// What holds:
// B1  What has seen a batch knows a line, and it rises.

#include <cstdint>
#include <map>

namespace troupe::actors {

// Microseconds; cost in the model's unit (padded tokens for text).
struct batch_line {
  double fixed_us = 0;     // >= 0
  double per_cost_us = 0;  // > 0 once known
  bool known() const noexcept { return per_cost_us > 0; }
  double at(double cost) const noexcept { return fixed_us + per_cost_us * cost; }
};

// Exponentially weighted least squares of the relative error. How fast the machine is just now is followed apart from
// it: neighbours come and go, and a change of speed between batches of two sizes is not to be taken for a property of
// the sizes. Batches of one size alone say nothing of the two terms: then their proportion stays as it was.
class line_fit {
 public:
  explicit line_fit(batch_line prior = {}) : line_(prior) {}
  // REQUIRES cost >= 1; a time of 0 us is ignored.
  void observe(double cost, double took_us);
  const batch_line& line() const noexcept { return line_; }

 private:
  static constexpr double decay = 0.95;         // some twenty batches count for the proportion
  static constexpr double blend = 0.2;          // some five for the speed
  static constexpr double outlier = 1.25;       // what is further off than by this factor counts as if it were not
  static constexpr double prior_weight = 0.05;  // of the proportion so far, against what was seen
  static constexpr std::uint64_t settled = 10;  // batches from which on the line says what is usual
  void change_speed(double factor) noexcept;

  batch_line line_;
  std::uint64_t seen_ = 0;
  double weight_ = 0, cost_ = 0, took_ = 0, cost_cost_ = 0, cost_took_ = 0;  // weighted sums
};

class batch_times {
 public:
  // `busy_slots` ran while the batch did, its own counted: >= 1. First runs of a shape are not to be told.
  void observe(std::uint32_t busy_slots, double cost, double took_us);
  // Of a batch that says little (a first run of its shape): holds until something was observed.
  void guess(double cost, double took_us) noexcept;
  // The line at that many busy slots, else the nearest below, else the nearest above, else what was guessed; not
  // known() when there is nothing.
  batch_line beside(std::uint32_t busy_slots) const noexcept;

 private:
  // Neighbouring numbers share a line: two an octave.
  static int level(std::uint32_t busy_slots) noexcept;
  std::map<int, line_fit> fits_;
  batch_line guessed_;
};

}  // namespace troupe::actors
