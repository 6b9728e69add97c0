#include "http/core/conditional.hpp"

#include "http/json/text.hpp"

namespace troupe::http {

bool names_etag(std::optional<std::string_view> if_none_match, std::string_view etag) {
  if (!if_none_match) return false;
  auto rest = *if_none_match;
  if (trim(rest) == "*") return true;
  // Our tags have neither commas nor quotes inside.
  while (!rest.empty()) {
    const auto end = rest.find(',');
    auto one = trim(rest.substr(0, end));
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == etag) return true;
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace troupe::http
