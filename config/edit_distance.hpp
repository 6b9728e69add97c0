#pragma once
// How near two names are, for "did you mean".

#include <cstddef>
#include <string_view>

namespace troupe::config {

// How many single-character edits lie between two short texts, ignoring the case of ASCII; more than `bound` gives
// bound + 1.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t bound);

}  // namespace troupe::config
