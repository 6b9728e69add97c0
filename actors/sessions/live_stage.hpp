#pragma once
// One model that a session or a recording feeds: the place inside it and, while there is something to hear, its feeder,
// its state and the step that is under way. Owned by who feeds it; not thread-safe.
//
// L1  One step is under way at most; the state is in it then.
// L2  Feeder and state are there from open() to close() alone.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "actors/serving/gateway.hpp"

namespace troupe::actors {

class live_stage {
 public:
  // Of a live model.
  explicit live_stage(live_place home) : home_(std::move(home)) {}
  ~live_stage();  // the step under way is called off
  live_stage(const live_stage&) = delete;
  live_stage& operator=(const live_stage&) = delete;

  // REQUIRES closed.
  result<void> open(const inference::live_options& options);
  // Returns the samples that were in no step. REQUIRES that none is under way.
  std::uint64_t close();
  bool is_open() const noexcept { return feeder_ != nullptr; }

  // As a feeder's. REQUIRES open.
  void accept(std::span<const float> samples);
  void finish();
  bool finished() const noexcept { return finished_; }

  struct step_terms {
    std::chrono::milliseconds timeout{};
    // When a step is due that takes the sound to so many samples since open().
    std::function<steady_time(std::uint64_t samples)> due;
    // Told once what came of the step, on whichever thread answers; must not block.
    std::function<void(item_result&&)> answer;
  };
  // The next step goes to the model, where one is whole. REQUIRES open and not busy(). False: there is none.
  bool send(steady_time now, const step_terms& terms);
  bool busy() const noexcept { return step_ != nullptr; }
  steady_time due() const noexcept { return due_; }  // of the last step
  // The step has run, or cannot. Returns its samples.
  std::uint64_t stepped();
  std::uint64_t through() const noexcept { return through_; }  // samples since open() that steps are through with
  std::uint64_t waiting() const noexcept { return accepted_ - through_; }

  // Why it has to be left: the model is to go (unloaded, reloaded, replaced), and `drain` has passed since it was first
  // asked so.
  std::optional<error> time_to_leave(steady_time now, std::chrono::milliseconds drain);

  const resident& home() const noexcept { return *home_.home; }
  const inference::live_model& model() const noexcept { return *home_.home->model->live(); }

 private:
  live_place home_;
  std::unique_ptr<inference::feeder> feeder_;
  std::shared_ptr<inference::state> state_;
  job_ptr step_;                // L1
  std::uint64_t stepping_ = 0;  // samples of it
  steady_time due_{};
  std::uint64_t accepted_ = 0, through_ = 0;
  bool finished_ = false;
  std::optional<steady_time> to_leave_by_;
};

// unprocessable: the model there does something else.
result<void> check_task(const live_place& place, inference::task what);

}  // namespace troupe::actors
