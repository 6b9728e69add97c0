#include "http/core/conditional.hpp"

#include "http/json/comma_list.hpp"

namespace troupe::http {

bool names_etag(std::optional<std::string_view> if_none_match, std::string_view etag) {
  if (!if_none_match) return false;
  if (trim(*if_none_match) == "*") return true;
  // Our tags have neither commas nor quotes inside.
  return any_of_list(*if_none_match, [&](std::string_view one) {
    if (one.starts_with("W/")) one.remove_prefix(2);
    return one == etag;
  });
}

}  // namespace troupe::http
