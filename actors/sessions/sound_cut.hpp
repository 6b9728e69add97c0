#pragma once
// Where a long sound is cut for a model that hears whole sounds. Pure.

#include <cstddef>
#include <cstdint>
#include <span>

namespace troupe::actors {

struct cut_limits {
  double segment_s_min = 15, segment_s_max = 30;
};

// How many samples of what is held make the next segment; 0: more must come first. `last`: nothing more comes, and the
// rest is cut like everything before it. A sound of at most segment_s_max stays whole. A longer one is cut in the
// middle of its quietest 100 ms between segment_s_min and segment_s_max.
// The result is within 1 .. held.size(), but for 0.
std::size_t next_cut(std::span<const float> held, std::uint32_t rate_hz, bool last, const cut_limits& limits = {});

}  // namespace troupe::actors
