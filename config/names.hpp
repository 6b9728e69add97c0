#pragma once
// Model names: [A-Za-z0-9][A-Za-z0-9._-]*, optionally one namespace before a `/`, 128 bytes, no `..`. And names of
// providers.

#include <set>
#include <string>
#include <string_view>

#include "config/error.hpp"

namespace troupe::config {

inline constexpr std::size_t max_model_name_bytes = 128;
// The rule but for `..`, as a regular expression: for those who describe it.
inline constexpr std::string_view model_name_pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$";

// A name as a client may send it. Error: bad_request, saying which rule is broken.
result<void> check_model_name(std::string_view name);

// A provider of the catalog: [a-z0-9][a-z0-9._-]*, 64 bytes. It stands in Redis' keys and in paths.
bool is_provider_name(std::string_view name) noexcept;

// Parts that a registered name may not have, because a path would mean something else by them. The routes say
// which (http/core/reserved_names.hpp).
struct reserved_names {
  std::set<std::string, std::less<>> first;    // part: "download", which /models/download is
  std::set<std::string, std::less<>> actions;  // last part: "load", which /models/{model_name}/load does
  // Last part of a name that has two: "copy" of "org/copy", which /models/download/{model_name}/copy would take apart.
  // A name of one part stands alone there.
  std::set<std::string, std::less<>> behind = {};
};

// A name that may be registered: also refuses the reserved ones.
result<void> check_registered_name(std::string_view name, const reserved_names& reserved);

}  // namespace troupe::config
