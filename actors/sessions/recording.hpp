#pragma once
// One recording on its way from a file to sentences: it is decoded piece by piece, on a thread for that, as fast as its
// ear takes it. No actor and no thread of its own: who owns it (recording_wing.cpp) calls it, and runs what it posts,
// one after another.
//
//   begin -> the file is opened -> the ear is opened -> [a piece is decoded -> the ear takes it ..] -> ended
//
// What holds:
// R1  One piece is being decoded at most; the decoder is nobody else's then.
// R2  After recording_ended and recording_failed, and after cancel(), nothing is told.
// R3  What is decoded and not heard yet is bounded: a piece is decoded only for an ear that takes it.

#include <chrono>
#include <memory>
#include <optional>

#include "actors/sessions/recording_ear.hpp"

namespace troupe::actors {

struct recording_limits {
  std::chrono::milliseconds stall{30000};   // without progress
  std::chrono::milliseconds whole{600000};  // from its arrival to its end
  std::uint32_t segments = 4;               // asked at once of a model for whole sounds
  voice_limits voice;
  inference::decode_limits sound;
};

class recording final : private recording_ear::owner {
 public:
  // `asked.model` is set. What `means.post` is given may not run after this is gone.
  recording(recording_request asked, recording_listener listener, recording_means means, recording_limits limits,
            steady_time now);
  ~recording() override;
  recording(const recording&) = delete;
  recording& operator=(const recording&) = delete;

  // Its turn has come.
  void begin(steady_time now);
  // From time to time: watches the limits.
  void tick(steady_time now);
  void fail(const error& why);
  void cancel();
  bool over() const noexcept { return over_; }
  // Of the sound, that was decoded.
  double heard_s() const noexcept;
  bool failed() const noexcept { return failed_; }

 private:
  struct source;  // the file and its decoder
  struct piece;   // of it, decoded
  void ear_ready(std::uint32_t rate_hz, bool uses_hotwords, bool punctuates) override;
  void ear_heard(inference::transcript&& sentence) override;
  void ear_progressed() override;
  void ear_ended() override;
  void ear_failed(const error& why) override { fail(why); }

  void read(std::uint32_t rate_hz, std::size_t samples);
  void was_read(piece& got);
  void start_ear();
  void pump();
  void end();

  const recording_request asked_;
  recording_listener listener_;  // null once over
  const recording_means means_;
  const recording_limits limits_;
  const steady_time arrived_;
  std::optional<steady_time> progressed_;  // none before its turn
  bool moved_ = false;                     // since the last tick
  std::shared_ptr<source> source_;
  std::unique_ptr<recording_ear> ear_;
  recording_begun begun_;
  std::uint32_t rate_hz_ = 0;  // 0: the ear is not ready
  std::uint64_t samples_ = 0;  // decoded
  bool reading_ = false, read_all_ = false, told_begun_ = false, over_ = false, failed_ = false;
};

}  // namespace troupe::actors
