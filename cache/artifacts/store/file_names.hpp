#pragma once
// Names of files inside an artifact, as foreign listings give them. Pure.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::cache {

inline constexpr std::size_t artifact_files_max = 10'000;

// A relative path of at most 8 parts of 1 to 200 bytes of UTF-8: no part is `.` or `..` or begins with `@`, nothing
// absolute, no backslash, no control character. Error: bad_request, naming it printably and what is wrong.
result<void> check_file_name(std::string_view path);
// All of one artifact: also 1 to artifact_files_max, no two that are alike but for the case of A to Z, none that is a
// folder of another.
result<void> check_file_names(const std::vector<std::string>& paths);

}  // namespace troupe::cache
