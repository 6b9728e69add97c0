#pragma once
// Names of files inside an artifact, as foreign listings give them. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::cache {

// A relative path of at most 8 parts of 1 to 200 bytes of UTF-8: no part is `.` or `..` or begins with `@`, nothing
// absolute, no backslash, no control character. Error: bad_request, naming it printably and what is wrong.
result<void> check_file_name(std::string_view path);
// All of one artifact: also no two that are alike but for case, none that is a folder of another.
result<void> check_file_names(const std::vector<std::string>& paths);

}  // namespace troupe::cache
