#pragma once
// Text as it comes from a client: UTF-8, percent-encoding, query parameters, likeness. Pure functions.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/error.hpp"

namespace troupe::http {

bool is_utf8(std::string_view text) noexcept;
// The same text, each bad byte replaced by U+FFFD.
std::string make_utf8(std::string_view text);
// `text` as an error message shows it: valid UTF-8, no control characters, at most `limit` bytes.
std::string shown(std::string_view text, std::size_t limit = 80);
std::string in_quotes(std::string_view text);  // 'text', as it is
// Empty, or white space only (Unicode's, too).
bool is_blank(std::string_view utf8) noexcept;

// Null: a `%` that is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

// Name and value of each parameter, decoded. Errors (bad_request) name the parameter; `what` is "query" or
// "form". More than 64 parameters are refused.
using parameter_list = std::vector<std::pair<std::string, std::string>>;
result<parameter_list> parse_parameters(std::string_view encoded, std::string_view what);

// Case-insensitive for ASCII.
bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;
std::string_view trim(std::string_view text) noexcept;

// Comparison in a time that depends on the lengths alone.
bool equal_in_constant_time(std::string_view secret, std::string_view given) noexcept;

}  // namespace troupe::http
