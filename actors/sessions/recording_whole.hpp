#pragma once
// A recording heard by a model for whole sounds: cut into segments (sound_cut.hpp), several of which are asked at once,
// so that they share batches; told in order, each punctuated where a model for it is there.

#include <deque>
#include <optional>

#include "actors/sessions/recording_ear.hpp"

namespace troupe::actors {

class recording_whole final : public recording_ear {
 public:
  // `segments_max`: asked at once, at least 1. `timeout_ms`: of one segment.
  recording_whole(const recording_request& asked, std::string model, const recording_means& means,
                  std::uint32_t segments_max, std::uint64_t timeout_ms, owner& hears)
      : asked_(asked),
        model_(std::move(model)),
        means_(means),
        segments_max_(segments_max),
        timeout_ms_(timeout_ms),
        owner_(hears) {}
  ~recording_whole() override;
  void open() override;
  bool hungry() const override { return !last_ && segments_.size() < segments_max_; }
  void take(std::vector<float>&& samples, bool last) override;

 private:
  struct segment {
    double begin_s = 0;
    inference::transcript text;
    bool done = false;
    cancel_handle cancel;  // of what is asked about it
  };
  using number = std::uint64_t;  // of a segment, from 0
  void ask(std::vector<float> sound);
  void heard(number which, result<inference::transcript> text);
  void marked(number which, result<inference::transcript> text);
  void tell();
  segment& at(number which) { return segments_[static_cast<std::size_t>(which - first_)]; }
  bool punctuates() const { return asked_.punctuate && !means_.punctuation.empty(); }
  cancel_handle predict(predict_request request, number which,
                        void (recording_whole::*then)(number, result<inference::transcript>));

  const recording_request& asked_;
  const std::string model_;
  const recording_means& means_;
  const std::uint32_t segments_max_;
  const std::uint64_t timeout_ms_;
  owner& owner_;
  std::vector<float> held_;  // not cut yet
  std::uint64_t cut_ = 0;    // samples before it
  bool last_ = false;
  number first_ = 0;
  std::deque<segment> segments_;  // from first_ on: not told yet
};

}  // namespace troupe::actors
