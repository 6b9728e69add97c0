#pragma once
// Sound of one session to the windows that a streaming Paraformer sees: chunks of a fixed number of samples, each
// between the frames before it and those ahead, as FunASR cuts them, whatever pieces the sound comes in. No Torch
// types.
//
// The last window is what is left, or, where that is less than 960 samples, the frames before it alone: what they were
// ahead for is said by then. Sound of less than 960 samples in all gives one empty window, which is answered with
// nothing; FunASR hears zeros there.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "inference/audio/front_end.hpp"
#include "inference/model/live.hpp"
#include "inference/model/model.hpp"
#include "inference/speech/speech_config.hpp"

namespace troupe::inference {

struct paraformer_chunk final : prepared {
  std::vector<float> window;      // [frames, width], scaled and with positions added; empty: nothing to hear
  std::int64_t first_frame = 0;   // of the sound; below 0: what was before it, zeros
  std::int64_t heard_frames = 0;  // of the sound, up to the chunk's end
  bool last = false;
  live_options options;
};

// bad_request: what cannot be had, by name.
result<void> check_chunks(const live_options& options);

class paraformer_feeder final : public feeder {
 public:
  // `layer_width`: of the encoder's layers. REQUIRES options that check_chunks() takes.
  paraformer_feeder(std::shared_ptr<const front_end> front, const paraformer_settings& settings,
                    const live_options& options);

  void accept(std::span<const float> samples) override;
  void finish() override { finished_ = true; }
  std::unique_ptr<const prepared> next() override;
  std::uint64_t waiting_samples() const noexcept override { return heard_samples_ - taken_samples_; }

 private:
  std::unique_ptr<const prepared> whole_chunk();
  std::unique_ptr<const prepared> last_chunk();
  std::unique_ptr<paraformer_chunk> window_of(std::int64_t frames);
  std::unique_ptr<paraformer_chunk> chunk_of(std::vector<float> window) const;
  std::int64_t width() const noexcept { return front_.front().width(); }

  front_end_stream front_;
  std::int64_t layer_width_;
  live_options options_;
  std::uint64_t chunk_samples_;
  std::vector<float> features_;  // that no window has yet
  std::vector<float> before_;    // the last left + ahead frames that a window had
  std::uint64_t heard_samples_ = 0, taken_samples_ = 0;
  std::int64_t taken_frames_ = 0;
  bool finished_ = false, ended_ = false;
};

}  // namespace troupe::inference
