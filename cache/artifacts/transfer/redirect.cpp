#include "cache/artifacts/transfer/redirect.hpp"

#include <string>

namespace troupe::cache {

result<web_url> next_hop(const web_url& from, std::string_view location, unsigned hop) {
  const auto begins = shown_url(from.text) + " redirects ";
  if (hop > redirects_max)
    return fail(error_code::unavailable, begins + "more than " + std::to_string(redirects_max) + " times");
  if (location.empty()) return fail(error_code::unavailable, begins + "to nowhere");
  auto to = resolve_location(from, location);
  if (!to) return fail(error_code::unavailable, begins + "to what is not followed: " + to.error().message);
  if (from.scheme == "https" && to->scheme == "http")
    return fail(error_code::unavailable, begins + "from https to http: " + shown_url(to->text));
  return to;
}

}  // namespace troupe::cache
