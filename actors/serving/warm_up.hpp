#pragma once
// One warm-up of a model: which buckets are still to run, and what came of those that ran. Pure data; owned by the
// model actor.
//
// What holds:
// W1  Each bucket that next() gave is told once by ended(), to this one or to the one that took over from it.
// W2  Once it has failed or was called off, nothing more waits.

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "actors/protocol/one_shot.hpp"
#include "actors/protocol/reports.hpp"
#include "inference/model/model.hpp"

namespace troupe::actors {

// Warm-up in the background leaves out batches that would take longer.
constexpr std::chrono::milliseconds background_batch_max{100};

class warm_up {
 public:
  // Every bucket once, which prepares its kernels; then the smallest and the middle one again, from which batch times
  // are learned, and all in turn until `requests_min` rows have run. `background`: nobody waits for it.
  warm_up(const std::vector<inference::warm_bucket>& buckets, std::uint32_t requests_min, bool background,
          steady_time now);

  bool batch_waits() const noexcept { return !left_.empty(); }
  bool over() const noexcept { return left_.empty() && running_ == 0; }
  bool background() const noexcept { return background_; }
  // REQUIRES batch_waits().
  inference::warm_bucket next();
  // REQUIRES that next() gave it (W1).
  void ended(const inference::warm_bucket& bucket, std::chrono::microseconds took, const std::string& failure);
  // Nothing more is run: its model leaves memory.
  void call_off() {
    called_off_ = true;
    left_.clear();
  }
  bool called_off() const noexcept { return called_off_; }
  // The batches of `earlier`, which this one replaces, will be told to this one.
  void take_over(const warm_up& earlier) noexcept { running_ += earlier.running_; }

  const std::string& failure() const noexcept { return failure_; }  // empty: none so far
  std::chrono::microseconds time(steady_time now) const;
  warmup_report report(const std::string& model, steady_time now) const;

  std::vector<shared_reply<warmup_report>> waiters;

 private:
  void skip_long_buckets(std::uint64_t cost, std::chrono::microseconds took);

  std::deque<inference::warm_bucket> left_;
  std::uint32_t running_ = 0, requests_ = 0;
  std::chrono::microseconds busy_{0};
  std::chrono::duration<double, std::micro> per_cost_{0};  // the least that was seen
  steady_time started_{};
  bool background_ = true, called_off_ = false;
  std::string failure_;
};

}  // namespace troupe::actors
