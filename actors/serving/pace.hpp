#pragma once
// What a model has learned of itself: how long its batches take and who comes back after them; and what follows for
// the next batch. No threads, no clock; owned by the model actor.

#include <compare>
#include <set>

#include "actors/protocol/slots.hpp"
#include "actors/serving/batch_time.hpp"
#include "actors/serving/plan.hpp"
#include "actors/serving/returns.hpp"

namespace troupe::actors {

struct batch;

class pace {
 public:
  // After a batch its clients are back within a millisecond; who takes the first of them at once takes it alone. So a
  // granted slot may be kept for so much of the predicted batch while others are due.
  static constexpr double hold_share = 0.05;
  // A shorter hold costs more than it gains: a timer is a message through another thread.
  static constexpr std::chrono::microseconds hold_min{100};
  static constexpr std::chrono::milliseconds window_min{1};
  static constexpr std::chrono::milliseconds hold_max{5};

  struct decision {
    std::uint64_t cost = 0;                       // what the batch takes; batch_queue::all: up to the limits
    std::chrono::microseconds time{0};            // that it is predicted to take
    steady_time hold_until = steady_time::min();  // above now: not yet, or as soon as so much waits
  };
  // For the work that waits now and a slot granted at `granted`. `may_hold`: the slot may be kept.
  decision decide(const waiting_work& waiting, const grant& g, const batch_limits& limits, std::uint32_t instances_left,
                  steady_time granted, steady_time now, bool may_hold);

  // The batch is about to run: counts the slots that are busy beside it, and tells its own slot what to expect.
  void begins(batch& b, const grant& g, steady_time now);
  // It has run. `answered`: rows that are done.
  void ended(const batch& b, std::uint64_t answered, steady_time now);
  void arrived(std::uint64_t items, steady_time now) { returns_.arrived(items, now); }

  // Cost units a second that one instance does beside so many, in full batches of items of this cost; 0: not known yet.
  double cost_per_s(std::uint32_t instances, const batch_limits& limits, double item_cost) const noexcept;

 private:
  batch_times times_;
  returns returns_;
  std::uint32_t batches_before_ = 0;
  // Of a batch, rounded. Kernels are prepared in the first run of each.
  struct shape {
    std::uint32_t slot_index;
    int rows_log2, cost_log2_quarters;
    auto operator<=>(const shape&) const = default;  // NOLINT(modernize-use-nullptr): the compiler's own 0
  };
  static shape shape_of(const batch& b, const grant& g);
  std::set<shape> ran_;
};

}  // namespace troupe::actors
