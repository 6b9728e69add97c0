#pragma once
// Where speech begins and ends, from how probably each frame of 10 ms is silence: FSMN-VAD's rules as FunASR has them
// (funasr 1.4.16, FsmnVADStreaming), frame by frame the same. Pure; no Torch.
//
// A window of 200 ms slides over the frames. Speech begins when 150 ms of it are speech, and is said to have begun 400
// ms (window and look-back) before; it is interrupted when at most 150 ms are, and has ended when that lasts: 650 ms
// more. The end is then put 100 ms (look-ahead) behind where it was interrupted.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace troupe::inference {

// After so much speech, so much silence ends it.
struct silence_step {
  std::int64_t speech_ms_max = 0, silence_ms = 0;
  bool operator==(const silence_step&) const = default;
};

struct endpoint_settings {
  std::int64_t frame_ms = 10;
  std::int64_t window_ms = 200;          // window_size_ms
  std::int64_t to_speech_ms = 150;       // sil_to_speech_time_thres
  std::int64_t to_silence_ms = 150;      // speech_to_sil_time_thres
  std::int64_t look_back_ms = 200;       // lookback_time_start_point
  std::int64_t look_ahead_ms = 100;      // lookahead_time_end_point
  std::int64_t end_silence_ms = 800;     // max_end_silence_time, to_silence_ms included
  std::int64_t segment_ms_max = 60'000;  // max_single_segment_time
  bool extend = true;                    // do_extend: with look-back and look-ahead
  double speech_threshold = 0.6;         // speech_noise_thres: by so much speech must be the more probable
  double silence_exponent = 1.0;         // speech_2_noise_ratio
  bool whole_segments = false;           // only whole ones are told, not their begins before
  std::vector<silence_step> dynamic{};   // empty: end_silence_ms and speech_threshold as they are
  bool operator==(const endpoint_settings&) const = default;
};

// What FunASR does unless it is told an end silence: 2 s of silence in the first 10 s of speech, falling to 0.1 s, and
// a threshold of 0.5. Speech is counted in chunks.
std::vector<silence_step> funasr_dynamic_silence();
inline constexpr double dynamic_speech_threshold = 0.5;

// From the begin of the sound. Not set: told before, or not there yet.
struct speech_span {
  std::optional<std::int64_t> begin_ms, end_ms;
  bool operator==(const speech_span&) const = default;
};

// One sound. One thread at a time; its size does not grow.
class endpoint_detector {
 public:
  // REQUIRES times of at least 0, a frame and a window of at least one frame.
  explicit endpoint_detector(endpoint_settings settings);

  // The next chunk of sound: the probability of silence of each frame that it gave, 0 to 1 (NaN is silence). `last`:
  // the sound ends with it: speech ends, too, where the chunk has a frame. Nothing may follow it.
  std::vector<speech_span> feed(std::span<const double> silence, std::int64_t chunk_ms, bool last);

  bool in_speech() const noexcept { return state_ == state::speech; }
  // What lies before it is decided: in speech, it belongs to the segment that is under way; else no speech begins there
  // any more.
  std::int64_t decided_ms() const noexcept;
  std::int64_t frames() const noexcept { return frames_; }

 private:
  enum class state : std::uint8_t { before, speech, ended };
  enum class change : std::uint8_t { speech_to_speech, speech_to_silence, silence_to_silence, silence_to_speech };
  struct segment {
    std::int64_t begin_ms = 0, end_ms = 0;
    bool ended = false;
  };

  void follow_schedule(std::int64_t chunk_ms);
  bool is_speech(double silence) const;
  change slide(bool speech);
  void take_frame(bool speech, bool last);
  void take_silence(std::int64_t frame, bool last);
  void go_on_or_end(std::int64_t frame, bool last);
  void begin_speech(std::int64_t frame);
  void end_speech(std::int64_t frame);
  void add(std::int64_t frame, bool first, bool last);
  void add_speech(std::int64_t frame);
  void reset();
  std::int64_t begin_latency() const noexcept;
  bool too_long(std::int64_t frame) const noexcept;
  std::vector<speech_span> told(bool last);

  endpoint_settings settings_;
  double speech_threshold_;
  std::int64_t end_silence_ms_;  // beyond to_silence_ms

  std::vector<std::uint8_t> window_;
  std::size_t window_at_ = 0;
  std::int64_t window_speech_ = 0;
  bool window_is_speech_ = false;

  state state_ = state::before;
  std::int64_t frames_ = 0;
  std::int64_t free_frame_ = 0;  // the first that no segment and no confirmed silence has
  std::int64_t begin_frame_ = -1, last_speech_frame_ = 0, silent_frames_ = 0;
  std::vector<segment> segments_;  // that are not told whole
  bool begin_told_ = false;        // of the first of them
  std::int64_t ends_ = 0;

  std::int64_t speech_ms_ = 0;  // since the last that was told
  bool counts_speech_ = false;
};

}  // namespace troupe::inference
