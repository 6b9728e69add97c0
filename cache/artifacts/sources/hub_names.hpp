#pragma once
// Ids and revisions as the Hugging Face hub allows them. Pure.

#include <string>
#include <string_view>

#include "config/error.hpp"

namespace troupe::cache {

// "name" or "org/name" of a model. Errors (bad_request) say which rule is broken; data sets and spaces are refused.
result<void> check_hub_id(std::string_view id);
// A branch, tag or commit, also "refs/pr/1".
result<void> check_hub_revision(std::string_view revision);
// 40 lower-case hex digits.
bool is_commit(std::string_view text) noexcept;

}  // namespace troupe::cache
