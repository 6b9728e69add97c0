#include "actors/sessions/ear.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::actors {

ear::verdict ear::decide(const inference::voice_activity& told) {
  verdict out;
  const auto drop_to = [&](double at_s) { out.dropped += take_to(at_s).size(); };
  // Of the utterance that is under way, whose begin may have been handed on before.
  const auto hear_to = [&](double at_s, bool ends) {
    if (out.pieces.empty() || out.pieces.back().ends) out.pieces.push_back({first_, {}, false, false});
    auto& piece = out.pieces.back();
    const auto sound = take_to(at_s);
    piece.sound.insert(piece.sound.end(), sound.begin(), sound.end());
    piece.ends = ends;
    open_ = !ends;
  };
  for (const auto& span : told.found) {
    if (span.begin_s && !open_) {
      drop_to(*span.begin_s);
      out.pieces.push_back({first_, {}, true, false});
      open_ = true;
    }
    if (span.end_s && open_) hear_to(*span.end_s, true);
  }
  if (open_)
    hear_to(told.decided_s, told.final);
  else
    drop_to(told.decided_s);
  if (!out.pieces.empty())
    known_.push_back({first_, static_cast<std::uint64_t>(std::llround(told.heard_s * rate_hz_))});
  if (told.final) {
    out.dropped += held_.size();
    first_ += held_.size();
    held_ = {};
  }
  return out;
}

std::uint64_t ear::known_after(std::uint64_t place) {
  while (known_.size() > 1 && known_.front().place < place) known_.pop_front();
  return known_.empty() ? place : std::max(place, known_.front().heard);
}

std::vector<float> ear::take_to(double at_s) {
  const auto at = static_cast<std::uint64_t>(std::llround(at_s * rate_hz_));
  const auto n = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(at - std::min(at, first_), held_.size()));
  std::vector<float> out(held_.begin(), held_.begin() + n);
  held_.erase(held_.begin(), held_.begin() + n);
  first_ += static_cast<std::uint64_t>(n);
  return out;
}

}  // namespace troupe::actors
