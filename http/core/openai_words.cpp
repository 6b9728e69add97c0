#include "http/core/openai_words.hpp"

#include "http/core/errors.hpp"

namespace troupe::http {

std::string_view openai_error_type(error_code code) {
  const auto status = status_of(code);
  if (status == 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

std::string openai_error_code(error_code code) {
  switch (code) {
    case error_code::unauthorized:
    case error_code::forbidden: return "invalid_api_key";
    case error_code::route_not_found: return "unknown_url";
    case error_code::too_many_requests: return "rate_limit_exceeded";
    default: break;
  }
  std::string out(to_string(code));
  for (auto& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string openai_error_message(const error& why) {
  return why.detail.empty() ? why.message : why.message + ": " + why.detail;
}

}  // namespace troupe::http
