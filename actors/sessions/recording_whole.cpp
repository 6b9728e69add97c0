#include "actors/sessions/recording_whole.hpp"

#include <utility>

#include <spdlog/spdlog.h>

#include "actors/sessions/open_sentence.hpp"
#include "actors/sessions/sound_cut.hpp"
#include "actors/sessions/transcript_reply.hpp"

namespace troupe::actors {

namespace {

constexpr std::uint32_t rate_hz = 16000;  // models of another rate change it themselves

}  // namespace

recording_whole::~recording_whole() {
  for (const auto& s : segments_) s.cancel();
}

void recording_whole::open() { owner_.ear_ready(rate_hz, false, punctuates()); }

void recording_whole::take(std::vector<float>&& samples, bool last) {
  held_.insert(held_.end(), samples.begin(), samples.end());
  last_ = last;
  for (;;) {
    const auto count = next_cut(held_, rate_hz, last);
    if (count == 0) break;
    const auto end = held_.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<float> sound(held_.begin(), end);
    held_.erase(held_.begin(), end);
    ask(std::move(sound));
  }
  tell();
}

cancel_handle recording_whole::predict(predict_request request, number which,
                                       void (recording_whole::*then)(number, result<inference::transcript>)) {
  request.timeout_ms = timeout_ms_;
  request.use_prediction_cache = false;
  return means_.predict(
      std::move(request),
      std::make_unique<transcript_reply>(
          [post = means_.post, this, which, then](auto got) {
            auto shared = std::make_shared<decltype(got)>(std::move(got));
            post([this, which, then, shared] { (this->*then)(which, std::move(*shared)); });
          },
          error{error_code::unprocessable, "The model gave no transcript", "name one that hears", {}}));
}

void recording_whole::ask(std::vector<float> sound) {
  segment s;
  s.begin_s = static_cast<double>(cut_) / rate_hz;
  cut_ += sound.size();
  const auto which = first_ + segments_.size();
  segments_.push_back(std::move(s));
  predict_request request;
  request.model = model_;
  request.inputs.emplace_back(inference::samples{std::move(sound), rate_hz});
  request.asked.task = inference::task::automatic_speech_recognition;
  at(which).cancel = predict(std::move(request), which, &recording_whole::heard);
}

void recording_whole::heard(number which, result<inference::transcript> text) {
  if (!text) return owner_.ear_failed(text.error());
  auto& s = at(which);
  s.text = std::move(*text);
  shift(s.text, s.begin_s);
  if (punctuates() && !s.text.text.empty()) {
    predict_request request;
    request.model = means_.punctuation;
    request.inputs.emplace_back(s.text.text);
    request.asked.task = inference::task::punctuation_restoration;
    s.cancel = predict(std::move(request), which, &recording_whole::marked);
    return owner_.ear_progressed();
  }
  s.done = true;
  tell();
}

void recording_whole::marked(number which, result<inference::transcript> text) {
  auto& s = at(which);
  if (text)
    s.text.text = std::move(text->text);
  else
    spdlog::warn("a part of a recording stays without marks: {}", text.error().message);
  s.done = true;
  tell();
}

// What is there, in order.
void recording_whole::tell() {
  bool any = false;
  while (!segments_.empty() && segments_.front().done) {
    auto text = std::move(segments_.front().text);
    segments_.pop_front();
    ++first_;
    any = true;
    if (!text.text.empty()) owner_.ear_heard(std::move(text));
  }
  if (last_ && segments_.empty()) return owner_.ear_ended();
  if (any) owner_.ear_progressed();
}

}  // namespace troupe::actors
