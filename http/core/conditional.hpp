#pragma once
// Conditional requests (RFC 9110, 13): entity tags. Pure.

#include <optional>
#include <string>
#include <string_view>

namespace troupe::http {

// Whether If-None-Match names the tag ("abc", with its quotes), by the weak comparison; "*" names any.
bool names_etag(std::optional<std::string_view> if_none_match, std::string_view etag);

}  // namespace troupe::http
