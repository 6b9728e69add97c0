#pragma once
// URLs as transfers take them: http and https, without credentials. Read by libcurl's own parser, so that what is
// judged is what is asked. Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "config/error.hpp"

namespace troupe::cache {

struct web_url {
  std::string text;    // normalized, without fragment
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 address without brackets, an odd IPv4 one (0x7f.1) as four numbers
  std::uint16_t port = 0;
};

// Error: bad_request, naming it without its query.
result<web_url> parse_web_url(std::string_view text);
// Where `location` of an answer from `base` leads. Error: bad_request.
result<web_url> resolve_location(const web_url& base, std::string_view location);

bool same_origin(const web_url& a, const web_url& b) noexcept;

// For people and logs: no credentials, no query (it may be signed), no control characters, not too long.
std::string shown_url(std::string_view url);
// A header's value and the like: without control characters, at most `bytes_max` of it.
std::string printable(std::string_view text, std::size_t bytes_max);

}  // namespace troupe::cache
