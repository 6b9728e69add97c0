#pragma once
// When to try again. Pure: time and chance are given.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace troupe::cache {

// The wait before try `tried` + 1, when `tried` (at least 1) have failed: `min` doubled with each, at most `max`; the
// later half of it by `chance` (0 to 1), so that many who failed together do not come back together.
std::chrono::milliseconds backoff(std::uint32_t tried, std::chrono::milliseconds min, std::chrono::milliseconds max,
                                  double chance) noexcept;

// What a Retry-After header says: seconds, or a date of HTTP (one in the past: 0). Null: it says nothing.
std::optional<std::chrono::seconds> retry_after(std::string_view header,
                                                std::chrono::system_clock::time_point now) noexcept;

// 408, 429 and 5xx: the same request may succeed later.
constexpr bool may_pass(unsigned status) noexcept { return status == 408 || status == 429 || status >= 500; }

}  // namespace troupe::cache
