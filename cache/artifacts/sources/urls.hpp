#pragma once
// Addresses, as the sources put them together and take them apart. Pure. Parsed by libcurl, which fetches them.

#include <optional>
#include <string>
#include <string_view>

#include "config/error.hpp"

namespace troupe::cache {

struct parsed_url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; IPv6 in brackets
  std::string port;    // always there
  std::string path;    // as it is sent: percent-encoded, begins with '/'
  std::string query;   // without '?'
  bool credentials = false;
  // For Host: without the scheme's own port.
  std::string authority() const;
};
// Errors (bad_request) tell what is wrong, without what may be secret (credentials, query).
result<parsed_url> parse_url(const std::string& url);
// Scheme, host and port are the same.
bool same_origin(const std::string& a, const std::string& b);

// A base URL that an operator has set, without slashes at its end. `setting` names it in errors (bad_request): other
// schemes than http and https, credentials, a query.
result<std::string> checked_base_url(const std::string& url, std::string_view setting);

// RFC 3986: all but unreserved characters are encoded; in a path also '/' stays.
std::string encode_component(std::string_view text);
std::string encode_path(std::string_view path);
// Null: a '%' without two hex digits.
std::optional<std::string> decode(std::string_view encoded);

// Foreign text in a message: printable, valid UTF-8, cut at 120 bytes.
std::string shown(std::string_view text);
// Without query and fragment, which may hold keys.
std::string without_query(std::string_view url);

std::string lower_case(std::string_view text);  // ASCII

}  // namespace troupe::cache
