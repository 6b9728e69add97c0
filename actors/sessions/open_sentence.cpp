#include "actors/sessions/open_sentence.hpp"

#include <algorithm>
#include <utility>

namespace troupe::actors {

void open_sentence::begin(std::uint64_t first) {
  close();
  first_ = first;
  sound_.clear();
}

void open_sentence::hear(std::span<const float> samples) {
  if (terms_.keeps_sound) sound_.insert(sound_.end(), samples.begin(), samples.end());
}

void open_sentence::take(const inference::transcript& text, std::uint64_t samples) {
  heard_ += samples;
  if (text.text.empty() && text.tokens.empty()) {
    if (quiet_) *quiet_ += samples;
    return;
  }
  quiet_ = 0;
  text_.text += text.text;
  if (!text_.begin_s) text_.begin_s = text.begin_s;
  if (text.end_s) text_.end_s = text.end_s;
  text_.tokens.insert(text_.tokens.end(), text.tokens.begin(), text.tokens.end());
}

inference::endpoint_reason open_sentence::over() const noexcept {
  inference::utterance_times times{seconds(heard_), {}};
  if (quiet_) times.since_fire_s = seconds(*quiet_);
  return inference::endpoint_of(times, terms_.rules);
}

spoken_sentence open_sentence::close() {
  spoken_sentence out;
  out.text = std::exchange(text_, {});
  out.text.final = true;
  out.sound_begin_s = seconds(first_);
  out.told = std::exchange(told_, false);
  const auto own = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(heard_, sound_.size()));
  std::vector<float> rest(sound_.begin() + own, sound_.end());
  sound_.resize(static_cast<std::size_t>(own));
  out.sound = std::exchange(sound_, std::move(rest));
  first_ += std::exchange(heard_, 0);
  quiet_.reset();
  return out;
}

void shift(inference::transcript& text, double by_s) {
  if (text.begin_s) *text.begin_s += by_s;
  if (text.end_s) *text.end_s += by_s;
  for (auto& token : text.tokens) {
    token.begin_s += by_s;
    token.end_s += by_s;
  }
}

}  // namespace troupe::actors
