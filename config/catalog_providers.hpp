#pragma once
// The setting `providers`: a list of objects. Internal to config/.

#include <map>
#include <string>
#include <vector>

#include "config/located_json.hpp"
#include "config/settings.hpp"

namespace troupe::config {

inline constexpr std::size_t catalog_providers_max = 1000;

// bad_request with the place and the key, also for a name that stands twice and for a `local` that is not alone.
result<std::vector<catalog_provider>> catalog_providers_of(const located_json& json, const json_value& value);

// As JSON that is read back the same; keys are no part of it.
std::string to_text(const std::vector<catalog_provider>& providers);

// Fills `api_key` from the variables that are named; the names of those that are not set.
std::vector<std::string> take_api_keys(std::vector<catalog_provider>& providers,
                                       const std::map<std::string, std::string>& environment);

}  // namespace troupe::config
