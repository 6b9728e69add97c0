#include "inference/tasks/task_head.hpp"

#include <algorithm>

namespace troupe::inference {

result<void> check_names(task what, const task_parameters& given, std::initializer_list<std::string_view> own) {
  for (const auto name : names_of(given)) {
    if (name == "truncate" || name == "truncation_direction") continue;
    if (std::find(own.begin(), own.end(), name) != own.end()) continue;
    std::string known;
    for (const auto one : own) known.append(one).append(", ");
    return fail(error_code::bad_request,
                "'" + std::string(name) + "' is not a parameter of " + std::string(to_string(what)),
                "it takes " + known + "truncate, truncation_direction");
  }
  return {};
}

}  // namespace troupe::inference
