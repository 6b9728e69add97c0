#include "actors/sessions/speech_segments.hpp"

#include <cassert>
#include <utility>

namespace troupe::actors {

std::vector<speech_segment> speech_segments::add(sound_piece&& piece) {
  std::vector<speech_segment> out;
  if (piece.first != open_.first + open_.sound.size()) {
    assert(piece.begins);
    out = cut(true);
    open_.first = piece.first;
  }
  open_.sound.insert(open_.sound.end(), piece.sound.begin(), piece.sound.end());
  for (auto& one : cut(false)) out.push_back(std::move(one));
  return out;
}

std::vector<speech_segment> speech_segments::cut(bool last) {
  std::vector<speech_segment> out;
  auto& held = open_.sound;
  while (const auto count = next_cut(held, rate_hz_, last, limits_)) {
    const auto end = held.begin() + static_cast<std::ptrdiff_t>(count);
    out.push_back({open_.first, {held.begin(), end}});
    held.erase(held.begin(), end);
    open_.first += count;
  }
  return out;
}

}  // namespace troupe::actors
