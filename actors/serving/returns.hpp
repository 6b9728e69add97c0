#pragma once
// What is about to come back: clients that wait for their answers ask again within a moment of getting them. Learned
// per model from what did come back within the window after earlier batches. Pure data; owned by the model actor.
//
// What holds:
// R1  Of no cohort more came back than were answered.
// R2  The share that comes back lies between 0 and 1.

#include <chrono>
#include <cstdint>
#include <deque>

#include "config/error.hpp"

namespace troupe::actors {

class returns {
 public:
  // A batch has answered so many items. Only who asks again by `until` counts.
  void answered(std::uint64_t items, steady_time now, steady_time until);
  void arrived(std::uint64_t items, steady_time now);
  // Items that should still come, and until when; 0 when none.
  struct expected {
    std::uint64_t items = 0;
    steady_time until = steady_time::min();
  };
  expected due(steady_time now);
  // Of the answered items, the share that came back in time. 0..1.
  double ratio() const noexcept { return ratio_; }

 private:
  static constexpr double blend = 0.2;
  struct cohort {
    std::uint64_t items, came;
    steady_time until;
  };
  void forget_late(steady_time now);
  std::deque<cohort> cohorts_;  // oldest first
  double ratio_ = 0;
};

}  // namespace troupe::actors
