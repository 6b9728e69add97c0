#include "inference/speech/paraformer_feeder.hpp"

#include <algorithm>
#include <cassert>
#include <string>

#include "inference/speech/paraformer_state.hpp"
#include "inference/speech/positions.hpp"

namespace troupe::inference {
namespace {

constexpr std::uint64_t short_samples = 960;  // the reference's, whatever the front-end: less is no chunk of its own
constexpr std::uint32_t frames_max = 200;     // 12 s of each part

std::uint64_t samples_of_frame(const front_end_settings& s) {
  return static_cast<std::uint64_t>(s.fbank.rate_hz * s.fbank.frame_shift_ms / 1000) * s.lfr_n;
}

}  // namespace

result<void> check_chunks(const live_options& o) {
  const auto bad = [](const std::string& what, const std::string& detail) {
    return fail(error_code::bad_request, what, detail);
  };
  const auto many = std::to_string(frames_max);
  if (o.chunk_frames < 1 || std::max({o.left_frames, o.chunk_frames, o.ahead_frames}) > frames_max)
    return bad("chunk_size [" + std::to_string(o.left_frames) + ", " + std::to_string(o.chunk_frames) + ", " +
                   std::to_string(o.ahead_frames) + "] cannot be had",
               "a chunk of 1 to " + many + " frames, at most " + many + " before it and ahead");
  if (o.left_frames + o.ahead_frames == 0)
    return bad("chunk_size has neither frames before a chunk nor ahead of it", "[5, 10, 5]");
  if (o.encoder_look_back != 0 && o.ahead_frames == 0)
    return bad("encoder_chunk_look_back needs frames ahead of a chunk", "[0, 10, 5], or a look-back of 0");
  if (o.encoder_look_back < -1 || o.encoder_look_back > look_back_chunks_max)
    return bad("encoder_chunk_look_back " + std::to_string(o.encoder_look_back) + " cannot be had",
               "-1 to " + std::to_string(look_back_chunks_max));
  if (o.decoder_look_back > look_back_chunks_max)
    return bad("decoder_chunk_look_back " + std::to_string(o.decoder_look_back) + " cannot be had",
               "up to " + std::to_string(look_back_chunks_max));
  return {};
}

paraformer_feeder::paraformer_feeder(std::shared_ptr<const front_end> front, const paraformer_settings& settings,
                                     const live_options& options)
    : front_(std::move(front)),
      layer_width_(settings.encoder.size),
      options_(options),
      chunk_samples_(samples_of_frame(settings.front) * options.chunk_frames),
      before_(static_cast<std::size_t>((options.left_frames + options.ahead_frames) * width()), 0.0F) {}

void paraformer_feeder::accept(std::span<const float> samples) {
  assert(!finished_);
  heard_samples_ += samples.size();
  front_.accept(samples, features_);
}

std::unique_ptr<const prepared> paraformer_feeder::next() {
  if (waiting_samples() >= chunk_samples_) return whole_chunk();
  return finished_ && !ended_ ? last_chunk() : nullptr;
}

std::unique_ptr<const prepared> paraformer_feeder::whole_chunk() {
  const auto& front = front_.front();
  const auto frames = front.frames(taken_samples_ + chunk_samples_, false) - front.frames(taken_samples_, false);
  taken_samples_ += chunk_samples_;
  return window_of(static_cast<std::int64_t>(frames));
}

std::unique_ptr<const prepared> paraformer_feeder::last_chunk() {
  ended_ = true;
  const auto left = waiting_samples();
  if (heard_samples_ == 0) return nullptr;
  taken_samples_ = heard_samples_;
  std::unique_ptr<paraformer_chunk> made;
  if (left >= short_samples) {
    front_.finish(features_);
    made = window_of(static_cast<std::int64_t>(features_.size()) / width());
  } else {
    made = chunk_of(before_);                  // all zero, where no chunk was before
    scale_frames(made->window, layer_width_);  // once more, as the reference does
  }
  made->last = true;
  return made;
}

// The next `frames` features behind what was before them.
std::unique_ptr<paraformer_chunk> paraformer_feeder::window_of(std::int64_t frames) {
  const auto count = std::min(static_cast<std::size_t>(frames * width()), features_.size());
  const auto own = std::span(features_).first(count);
  scale_and_place(own, width(), layer_width_, taken_frames_);
  taken_frames_ += static_cast<std::int64_t>(count) / width();
  auto window = before_;
  window.insert(window.end(), own.begin(), own.end());
  features_.erase(features_.begin(), features_.begin() + static_cast<std::ptrdiff_t>(count));
  std::copy(window.end() - static_cast<std::ptrdiff_t>(before_.size()), window.end(), before_.begin());
  return chunk_of(std::move(window));
}

std::unique_ptr<paraformer_chunk> paraformer_feeder::chunk_of(std::vector<float> window) const {
  auto made = std::make_unique<paraformer_chunk>();
  const auto frames = static_cast<std::int64_t>(window.size()) / width();
  made->window = std::move(window);
  made->first_frame = taken_frames_ - frames;
  made->heard_frames = taken_frames_;
  made->options = options_;
  made->cost = static_cast<std::uint32_t>(std::max<std::int64_t>(frames, 1));
  return made;
}

}  // namespace troupe::inference
