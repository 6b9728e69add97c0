#include "actors/sessions/recording_whole.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "actors/sessions/open_sentence.hpp"
#include "actors/sessions/transcript_reply.hpp"

namespace troupe::actors {

recording_whole::~recording_whole() {
  for (const auto& s : segments_) s.cancel();
}

void recording_whole::open() {
  if (means_.voice_activity.empty()) return voice_ready(means_.rate_hz(model_));
  recording_voice::owner& me = *this;
  voice_.emplace(means_, limits_.voice, me);
  voice_->open();
}

void recording_whole::voice_ready(std::uint32_t rate_hz) {
  rate_hz_ = rate_hz;
  planned_.emplace(rate_hz);
  owner_.ear_ready(rate_hz, false, punctuates());
}

void recording_whole::tick() {
  if (voice_) voice_->tick();
  for (auto which = first_; which < next_; ++which)
    if (std::exchange(at(which).refusal, std::nullopt)) at(which).sound.empty() ? ask_marks(which) : ask_text(which);
}

const error* recording_whole::refusal() const {
  if (const auto* of_voice = voice_ ? voice_->refusal() : nullptr) return of_voice;
  const auto one = std::find_if(segments_.begin(), segments_.end(), [](const segment& s) { return s.refusal; });
  return one != segments_.end() ? &*one->refusal : nullptr;
}

bool recording_whole::hungry() const {
  return !last_ && segments_.size() < limits_.segments && !(voice_ && voice_->busy());
}

void recording_whole::take(std::vector<float>&& samples, bool last) {
  last_ = last;
  if (voice_) return voice_->take(samples, last);
  const bool first = taken_ == 0;
  const auto place = std::exchange(taken_, taken_ + samples.size());
  add(planned_->add({place, std::move(samples), first, last}));
  tell();
}

void recording_whole::voice_told(std::vector<sound_piece>&& spoken) {
  for (auto& piece : spoken) add(planned_->add(std::move(piece)));
  tell();
  owner_.ear_progressed();
}

void recording_whole::add(std::vector<speech_segment>&& segments) {
  for (auto& one : segments)
    segments_.push_back({static_cast<double>(one.first) / rate_hz_, std::move(one.sound), {}, false, {}, {}});
}

cancel_handle recording_whole::predict(predict_request request, number which,
                                       void (recording_whole::*then)(number, result<inference::transcript>)) {
  request.timeout_ms = limits_.timeout_ms;
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

// The next ones, as many as may be asked at once.
void recording_whole::ask() {
  for (; next_ < first_ + std::min<std::uint64_t>(segments_.size(), limits_.segments); ++next_) ask_text(next_);
}

void recording_whole::ask_text(number which) {
  predict_request request;
  request.model = model_;
  request.inputs.emplace_back(inference::samples{at(which).sound, rate_hz_});
  request.asked.task = inference::task::automatic_speech_recognition;
  at(which).cancel = predict(std::move(request), which, &recording_whole::heard);
}

void recording_whole::ask_marks(number which) {
  predict_request request;
  request.model = means_.punctuation;
  request.inputs.emplace_back(at(which).text.text);
  request.asked.task = inference::task::punctuation_restoration;
  at(which).cancel = predict(std::move(request), which, &recording_whole::marked);
}

// There was no room for it; there may be soon.
bool recording_whole::refused(number which, const error& why) {
  if (why.code != error_code::too_many_requests) return false;
  at(which).refusal = why;
  return true;
}

void recording_whole::heard(number which, result<inference::transcript> text) {
  if (!text) {
    if (!refused(which, text.error())) owner_.ear_failed(text.error());
    return;
  }
  auto& s = at(which);
  s.sound = {};
  s.text = std::move(*text);
  shift(s.text, s.begin_s);
  if (punctuates() && !s.text.text.empty()) {
    ask_marks(which);
    return owner_.ear_progressed();
  }
  s.done = true;
  tell();
}

void recording_whole::marked(number which, result<inference::transcript> text) {
  auto& s = at(which);
  if (!text && refused(which, text.error())) return;
  if (text)
    s.text.text = std::move(text->text);
  else
    spdlog::warn("a part of a recording stays without marks: {}", text.error().message);
  s.done = true;
  tell();
}

// What is there, in order.
void recording_whole::tell() {
  const bool knows_all = last_ && (!voice_ || voice_->over());  // of what is spoken
  if (knows_all) add(planned_->finish());
  bool any = false;
  while (!segments_.empty() && segments_.front().done) {
    auto text = std::move(segments_.front().text);
    segments_.pop_front();
    ++first_;
    any = true;
    if (!text.text.empty()) owner_.ear_heard(std::move(text));
  }
  if (knows_all && segments_.empty()) return owner_.ear_ended();
  ask();
  if (any) owner_.ear_progressed();
}

}  // namespace troupe::actors
