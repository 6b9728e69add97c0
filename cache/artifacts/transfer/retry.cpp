#include "cache/artifacts/transfer/retry.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include <curl/curl.h>

namespace troupe::cache {

using namespace std::chrono;

milliseconds backoff(std::uint32_t tried, milliseconds min, milliseconds max, double chance) noexcept {
  const auto whole = std::min(std::ldexp(static_cast<double>(min.count()), static_cast<int>(std::min(tried, 40U)) - 1),
                              static_cast<double>(max.count()));
  return milliseconds(std::llround(whole / 2 + whole / 2 * std::clamp(chance, 0.0, 1.0)));
}

std::optional<seconds> retry_after(std::string_view header, system_clock::time_point now) noexcept {
  while (!header.empty() && header.front() == ' ') header.remove_prefix(1);
  while (!header.empty() && header.back() == ' ') header.remove_suffix(1);
  if (header.empty() || header.size() > 64) return std::nullopt;
  if (std::all_of(header.begin(), header.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    std::int64_t n = 0;
    const auto [end, why] = std::from_chars(header.data(), header.data() + header.size(), n);
    constexpr std::int64_t most = 366 * 86400;
    return seconds(why == std::errc::result_out_of_range ? most : std::min(n, most));
  }
  // A date names its day and is never just a number: curl_getdate takes more than HTTP allows.
  if (header.find(':') == std::string_view::npos) return std::nullopt;
  char text[65];
  *std::copy(header.begin(), header.end(), text) = '\0';
  const auto at = curl_getdate(text, nullptr);
  if (at < 0) return std::nullopt;
  return std::max(seconds(0), ceil<seconds>(system_clock::from_time_t(at) - now));
}

}  // namespace troupe::cache
