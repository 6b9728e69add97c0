#include "actors/sessions/speech_segments.hpp"

#include <cassert>
#include <utility>

namespace troupe::actors {

std::vector<speech_segment> speech_segments::add(sound_piece&& piece) {
  std::vector<speech_segment> out;
  auto& held = open_.sound;
  if (piece.begins) {
    assert(held.empty() && "the utterance before it has ended");
    open_.first = piece.first;
  }
  assert(piece.first == open_.first + held.size());
  held.insert(held.end(), piece.sound.begin(), piece.sound.end());
  while (const auto count = next_cut(held, rate_hz_, piece.ends, limits_)) {
    const auto end = held.begin() + static_cast<std::ptrdiff_t>(count);
    out.push_back({open_.first, {held.begin(), end}});
    held.erase(held.begin(), end);
    open_.first += count;
  }
  return out;
}

}  // namespace troupe::actors
