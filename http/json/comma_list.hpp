#pragma once
// Lists as HTTP's headers have them: "gzip, br;q=0.5". Pure.

#include <string_view>

#include "http/json/text.hpp"

namespace troupe::http {

// Whether `f` is true for one of the items, which it is given trimmed, in order, up to that one.
template <class F>
bool any_of_list(std::string_view list, const F& f) {
  while (!list.empty()) {
    const auto end = list.find(',');
    if (f(trim(list.substr(0, end)))) return true;
    if (end == std::string_view::npos) break;
    list.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace troupe::http
