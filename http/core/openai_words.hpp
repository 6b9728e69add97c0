#pragma once
// How OpenAI's clients call what went wrong, over HTTP and over WebSockets; and the one family of all routes that they
// have. Pure.

#include <memory>
#include <string>
#include <string_view>

#include "config/error.hpp"
#include "http/core/exchange.hpp"
#include "http/core/route.hpp"
#include "http/core/schema.hpp"

namespace troupe::http {

// "invalid_request_error", "rate_limit_error", "server_error".
std::string_view openai_error_type(error_code code);
// The words that their clients know ("model_not_found", "invalid_api_key"); else ours, as they write theirs.
std::string openai_error_code(error_code code);
// What was wrong, and what would be right.
std::string openai_error_message(const error& why);

// {"error": {"message", "type", "param", "code"}} beside the usual status. `param`: the field that is to blame; empty:
// none. (Their clients look at `code` for "model_not_found" and "invalid_api_key".)
response openai_error(const error& why, std::string_view param, header_list headers);
schema openai_error_schema();

std::shared_ptr<const family> openai_family();

}  // namespace troupe::http
