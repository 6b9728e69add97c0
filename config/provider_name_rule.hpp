#pragma once
// The rule of is_provider_name() (names.hpp), for who has broken it.

#include <string_view>

namespace troupe::config {

inline constexpr std::string_view provider_name_rule =
    "lower-case letters, digits, '.', '_' and '-', beginning with a letter or a digit, 64 at most";

}  // namespace troupe::config
