#pragma once
// Whether the process may have the threads that it needs.

#include <cstdint>

#include "config/error.hpp"

namespace troupe::config {

// Starts `count` threads beside those there are and ends them again. Where they cannot be had, the user's soft limit is
// raised to the hard one first, for the whole process. The error says how many there may be, and which
// limit to raise.
result<void> check_threads(std::uint32_t count);

}  // namespace troupe::config
