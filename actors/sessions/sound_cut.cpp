#include "actors/sessions/sound_cut.hpp"

#include <algorithm>

namespace troupe::actors {

std::size_t next_cut(std::span<const float> held, std::uint32_t rate_hz, bool last, const cut_limits& limits) {
  const auto samples = [&](double s) { return static_cast<std::size_t>(s * rate_hz); };
  const auto most = std::max<std::size_t>(1, samples(limits.segment_s_max));
  if (held.size() <= most) return last ? held.size() : 0;
  const auto frame = std::max<std::size_t>(1, rate_hz / 10), step = std::max<std::size_t>(1, frame / 2);
  const auto least = std::min(samples(limits.segment_s_min), most);
  std::size_t cut = most;
  double quietest = -1;
  for (auto at = least; at + frame <= most; at += step) {
    double power = 0;
    for (const auto s : held.subspan(at, frame)) power += static_cast<double>(s) * s;
    // Of frames that are as quiet the last one: longer segments are fewer.
    if (quietest < 0 || power <= quietest) {
      quietest = power;
      cut = at + frame / 2;
    }
  }
  return std::max<std::size_t>(cut, 1);
}

}  // namespace troupe::actors
