#include "inference/speech/endpoints.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace troupe::inference {

std::vector<silence_step> funasr_dynamic_silence() {
  return {{10'000, 2'000},
          {20'000, 1'000},
          {30'000, 800},
          {40'000, 600},
          {50'000, 400},
          {60'000, 200},
          {std::numeric_limits<std::int64_t>::max(), 100}};
}

endpoint_detector::endpoint_detector(endpoint_settings settings)
    : settings_(std::move(settings)),
      speech_threshold_(settings_.speech_threshold),
      end_silence_ms_(settings_.end_silence_ms - settings_.to_silence_ms),
      window_(static_cast<std::size_t>(settings_.window_ms / settings_.frame_ms), 0) {
  assert(!window_.empty());
}

std::vector<speech_span> endpoint_detector::feed(std::span<const double> silence, std::int64_t chunk_ms, bool last) {
  follow_schedule(chunk_ms);
  if (silence.empty()) return {};
  for (std::size_t i = 0; i < silence.size(); ++i) take_frame(is_speech(silence[i]), last && i + 1 == silence.size());
  auto spans = told(last);
  if (!spans.empty()) {
    speech_ms_ = 0;
    counts_speech_ = false;
  }
  return spans;
}

void endpoint_detector::follow_schedule(std::int64_t chunk_ms) {
  if (settings_.dynamic.empty()) return;
  if (state_ == state::speech || counts_speech_) {
    speech_ms_ += chunk_ms;
    counts_speech_ = true;
  }
  const auto step = std::find_if(settings_.dynamic.begin(), settings_.dynamic.end(),
                                 [&](const silence_step& s) { return speech_ms_ <= s.speech_ms_max; });
  if (step == settings_.dynamic.end()) return;
  end_silence_ms_ = std::max<std::int64_t>(step->silence_ms - settings_.to_silence_ms, 0);
  speech_threshold_ = dynamic_speech_threshold;
}

// Through logarithms, as there: at the threshold it is the last bit that counts.
bool endpoint_detector::is_speech(double silence) const {
  if (!(silence > 0)) return silence == 0 && 1 >= speech_threshold_;
  if (silence >= 1) return false;
  return std::exp(std::log(1.0 - silence)) >=
         std::exp(std::log(silence) * settings_.silence_exponent) + speech_threshold_;
}

endpoint_detector::change endpoint_detector::slide(bool speech) {
  window_speech_ += (speech ? 1 : 0) - window_[window_at_];
  window_[window_at_] = speech ? 1 : 0;
  window_at_ = (window_at_ + 1) % window_.size();
  if (!window_is_speech_ && window_speech_ >= settings_.to_speech_ms / settings_.frame_ms) {
    window_is_speech_ = true;
    return change::silence_to_speech;
  }
  if (window_is_speech_ && window_speech_ <= settings_.to_silence_ms / settings_.frame_ms) {
    window_is_speech_ = false;
    return change::speech_to_silence;
  }
  return window_is_speech_ ? change::speech_to_speech : change::silence_to_silence;
}

void endpoint_detector::take_frame(bool speech, bool last) {
  const auto frame = frames_++;
  const auto happened = slide(speech);
  if (happened == change::silence_to_silence) {
    ++silent_frames_;
    take_silence(frame, last);
  } else {
    silent_frames_ = 0;
    if (happened == change::silence_to_speech && state_ == state::before) {
      begin_speech(std::max(free_frame_, frame - begin_latency()));
      for (auto t = begin_frame_ + 1; t <= frame; ++t) add_speech(t);
    } else if (state_ == state::speech) {
      if (happened == change::silence_to_speech)
        for (auto t = last_speech_frame_ + 1; t < frame; ++t) add_speech(t);
      go_on_or_end(frame, last);
    }
  }
  if (state_ == state::ended) reset();
}

void endpoint_detector::go_on_or_end(std::int64_t frame, bool last) {
  if (too_long(frame) || last)
    end_speech(frame);
  else
    add_speech(frame);
}

void endpoint_detector::take_silence(std::int64_t frame, bool last) {
  if (state_ == state::before) {
    // A sound without any speech ends as one that has had some, telling nothing.
    if (last && ends_ == 0)
      state_ = state::ended;
    else if (frame >= begin_latency())
      free_frame_ = std::max(free_frame_, frame - begin_latency());
    return;
  }
  const auto ahead = settings_.look_ahead_ms / settings_.frame_ms;
  if (silent_frames_ * settings_.frame_ms >= end_silence_ms_) {
    auto back = end_silence_ms_ / settings_.frame_ms;
    if (settings_.extend) back = std::max<std::int64_t>(0, back - ahead - 1);
    end_speech(frame - back);
  } else if (too_long(frame) || last) {
    end_speech(frame);
  } else if (settings_.extend && silent_frames_ <= ahead) {
    add_speech(frame);
  }
}

std::int64_t endpoint_detector::begin_latency() const noexcept {
  return static_cast<std::int64_t>(window_.size()) +
         (settings_.extend ? settings_.look_back_ms / settings_.frame_ms : 0);
}

std::int64_t endpoint_detector::decided_ms() const noexcept {
  if (in_speech()) return segments_.back().end_ms;
  return std::max<std::int64_t>({0, free_frame_, frames_ - begin_latency()}) * settings_.frame_ms;
}

bool endpoint_detector::too_long(std::int64_t frame) const noexcept {
  return (frame - begin_frame_ + 1) * settings_.frame_ms > settings_.segment_ms_max;
}

void endpoint_detector::begin_speech(std::int64_t frame) {
  begin_frame_ = frame;
  add(frame, true, false);
  state_ = state::speech;
}

void endpoint_detector::end_speech(std::int64_t frame) {
  for (auto t = last_speech_frame_ + 1; t < frame; ++t) add_speech(t);
  add(frame, false, true);
  ++ends_;
  state_ = state::ended;
}

void endpoint_detector::add_speech(std::int64_t frame) {
  last_speech_frame_ = frame;
  add(frame, false, false);
}

void endpoint_detector::add(std::int64_t frame, bool first, bool last) {
  free_frame_ = std::max(free_frame_, frame) + 1;
  if (first) segments_.push_back({frame * settings_.frame_ms, 0, false});
  auto& s = segments_.back();
  s.end_ms = (frame + 1) * settings_.frame_ms;
  s.ended = last;
}

void endpoint_detector::reset() {
  state_ = state::before;
  silent_frames_ = 0;
  last_speech_frame_ = 0;
  begin_frame_ = -1;
  std::fill(window_.begin(), window_.end(), std::uint8_t{0});
  window_at_ = 0;
  window_speech_ = 0;
  window_is_speech_ = false;
}

std::vector<speech_span> endpoint_detector::told(bool last) {
  std::vector<speech_span> spans;
  std::size_t whole = 0;
  for (const auto& s : segments_) {
    if (settings_.whole_segments) {
      if (!s.ended && !last) break;
      spans.push_back({s.begin_ms, s.end_ms});
      ++whole;
      continue;
    }
    if (begin_told_ && !s.ended) break;
    speech_span span;
    if (!begin_told_) span.begin_ms = s.begin_ms;
    if (s.ended) {
      span.end_ms = s.end_ms;
      ++whole;
    }
    begin_told_ = !s.ended;
    spans.push_back(span);
  }
  segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(whole));
  return spans;
}

}  // namespace troupe::inference
