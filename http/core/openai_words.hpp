#pragma once
// How OpenAI's clients call what went wrong, over HTTP and over WebSockets. Pure.

#include <string>
#include <string_view>

#include "config/error.hpp"

namespace troupe::http {

// "invalid_request_error", "rate_limit_error", "server_error".
std::string_view openai_error_type(error_code code);
// The words that their clients know ("model_not_found", "invalid_api_key"); else ours, as they write theirs.
std::string openai_error_code(error_code code);
// What was wrong, and what would be right.
std::string openai_error_message(const error& why);

}  // namespace troupe::http
