#include "inference/speech/spoken.hpp"

#include <algorithm>

namespace troupe::inference {

transcript spoken(const heard_tokens& heard, const speech_vocabulary& tokens, const sound_frames& frames) {
  constexpr double fires_late_frames = 1.5, token_frames_max = 12;
  const auto begin_of = [&](std::size_t i) {
    return std::max(0.0, static_cast<double>(frames.first + heard.frames[i]) - fires_late_frames);
  };
  transcript out;
  for (std::size_t i = 0; i < heard.ids.size(); ++i) {
    if (tokens.is_special(heard.ids[i])) continue;
    const auto begin = begin_of(i);
    auto end = begin + token_frames_max;
    end = std::min(end, i + 1 < heard.ids.size() ? begin_of(i + 1) : static_cast<double>(frames.heard));
    out.tokens.push_back(
        {heard.ids[i], tokens.text_of(heard.ids[i]), begin * frames.frame_s, std::max(begin, end) * frames.frame_s});
  }
  if (!out.tokens.empty()) {
    out.begin_s = out.tokens.front().begin_s;
    out.end_s = out.tokens.back().end_s;
  }
  return out;
}

}  // namespace troupe::inference
