#pragma once
// Scores as clients want them listed. Pure.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace troupe::http {

// Places of the scores by falling score; the same ones, and NaN last, in their order. At most `most`; 0: all.
std::vector<std::uint32_t> by_falling_score(std::span<const float> scores, std::size_t most = 0);

}  // namespace troupe::http
