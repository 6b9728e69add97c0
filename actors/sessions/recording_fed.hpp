#pragma once
// A recording heard by a model that is fed: a live session that gets its sound as fast as its credit allows. Its steps
// are due later than those of who speaks now, and wait behind them (session.hpp). Where the cores are full of live
// sessions it waits for a place, until the recording's own time is up.

#include <optional>

#include "actors/sessions/recording_ear.hpp"

namespace troupe::actors {

class recording_fed final : public recording_ear {
 public:
  recording_fed(const recording_request& asked, std::string model, const recording_means& means, owner& hears)
      : asked_(asked), model_(std::move(model)), means_(means), owner_(hears) {}
  void open() override;
  bool hungry() const override;
  void take(std::vector<float>&& samples, bool last) override;
  void tick() override;
  const error* refusal() const override { return refusal_ ? &*refusal_ : nullptr; }

 private:
  void opened(result<std::unique_ptr<session_handle>> made);
  void told(session_event&& event);
  void feed();

  const recording_request& asked_;
  const std::string model_;
  const recording_means& means_;
  owner& owner_;
  std::unique_ptr<session_handle> session_;  // null: not there yet
  std::optional<error> refusal_;             // for now: to be asked again
  bool asking_ = false;
  std::uint64_t credit_ = 0;  // samples
  std::vector<float> ready_;  // not fed yet
  bool last_ = false, finished_ = false;
};

}  // namespace troupe::actors
