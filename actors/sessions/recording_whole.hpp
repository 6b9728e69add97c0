#pragma once
// A recording heard by a model for whole sounds: in segments (speech_segments.hpp) of what the model for voice activity
// says is spoken, of all of it where there is none. Several are asked at once, so that they share batches; told in
// order, each punctuated where a model for it is there. What a full queue refuses is asked again, until the recording's
// own time is up.

#include <deque>
#include <optional>

#include "actors/sessions/recording_ear.hpp"
#include "actors/sessions/recording_voice.hpp"
#include "actors/sessions/speech_segments.hpp"

namespace troupe::actors {

struct whole_limits {
  std::uint32_t segments = 4;         // asked at once, at least 1
  std::uint64_t timeout_ms = 600000;  // of one segment
  voice_limits voice;
};

class recording_whole final : public recording_ear, private recording_voice::owner {
 public:
  recording_whole(const recording_request& asked, std::string model, const recording_means& means, whole_limits limits,
                  recording_ear::owner& hears)
      : asked_(asked), model_(std::move(model)), means_(means), limits_(limits), owner_(hears) {}
  ~recording_whole() override;
  void open() override;
  bool hungry() const override;
  void take(std::vector<float>&& samples, bool last) override;
  void tick() override;
  const error* refusal() const override;

 private:
  struct segment {
    double begin_s = 0;
    std::vector<float> sound;  // until it is heard
    inference::transcript text;
    bool done = false;
    std::optional<error> refusal;  // for now: to be asked again
    cancel_handle cancel;          // of what is asked about it
  };
  using number = std::uint64_t;  // of a segment, from 0
  void voice_ready(std::uint32_t rate_hz) override;
  void voice_told(std::vector<sound_piece>&& spoken) override;
  void voice_failed(const error& why) override { owner_.ear_failed(why); }
  void add(std::vector<speech_segment>&& segments);
  void ask();
  void ask_text(number which);
  void ask_marks(number which);
  bool refused(number which, const error& why);
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
  const whole_limits limits_;
  recording_ear::owner& owner_;
  std::uint32_t rate_hz_ = 0;
  std::optional<recording_voice> voice_;    // not set: all of it is heard
  std::optional<speech_segments> planned_;  // set once the rate is known
  std::uint64_t taken_ = 0;                 // samples
  bool last_ = false;
  number first_ = 0, next_ = 0;   // not told yet; not asked yet
  std::deque<segment> segments_;  // from first_ on
};

}  // namespace troupe::actors
