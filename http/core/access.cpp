#include "http/core/access.hpp"

#include "http/core/upgrade.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

// The key that the client gave; empty if it gave none.
std::string_view given_key(const exchange& request) {
  if (const auto header = request.header("Authorization")) {
    const auto space = header->find(' ');
    if (space != std::string_view::npos && equal_ignoring_case(header->substr(0, space), "Bearer")) {
      return trim(header->substr(space + 1));
    }
  }
  if (const auto header = request.header("X-API-Key")) return trim(*header);
  // A browser's WebSocket sends no header of its own. OpenAI's clients put the key there.
  return offered_after(request, "openai-insecure-api-key.");
}

}  // namespace

std::optional<error> check_access(const config::settings& settings, guard needed, const exchange& request) {
  if (needed == guard::open || (needed == guard::keyed && settings.api_keys.empty())) return std::nullopt;
  if (needed == guard::admin && settings.admin_api_key.empty()) {
    return error{error_code::forbidden,
                 "Admin routes are off: no admin key is configured",
                 "set ADMIN_API_KEY and send it as 'Authorization: Bearer KEY'",
                 {}};
  }
  const auto key = given_key(request);
  if (key.empty()) {
    return error{error_code::unauthorized,
                 needed == guard::admin ? "This route needs the admin key" : "This server needs an API key",
                 needed == guard::admin ? "send it as 'Authorization: Bearer KEY'"
                                        : "send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'",
                 {}};
  }
  bool good = equal_in_constant_time(settings.admin_api_key, key);
  if (needed == guard::keyed) {
    for (const auto& k : settings.api_keys) good = equal_in_constant_time(k, key) || good;
  }
  if (good) return std::nullopt;
  return error{error_code::forbidden,
               needed == guard::admin ? "Wrong admin key" : "Wrong API key",
               needed == guard::admin ? "use the value of ADMIN_API_KEY" : "use one of the server's API_KEYS",
               {}};
}

response options_response(const config::settings& settings, const std::string& allow, const exchange& request) {
  response out;
  out.status = 204;
  out.content_type.clear();
  out.headers.emplace_back("Allow", allow);
  if (!settings.cors_allow_origin.empty() && request.header("Access-Control-Request-Method")) {
    out.headers.emplace_back("Access-Control-Allow-Methods", allow);
    out.headers.emplace_back("Access-Control-Allow-Headers",
                             "Content-Type, Authorization, X-API-Key, X-Request-Id, Cache-Control, Accept");
    out.headers.emplace_back("Access-Control-Max-Age", "600");
  }
  return out;
}

}  // namespace troupe::http
