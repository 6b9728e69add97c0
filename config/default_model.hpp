#pragma once
// Which model answers requests that name none. A pure function, asked whenever the registry changes.

#include <string>

#include "config/registry.hpp"
#include "config/settings.hpp"

namespace troupe::config {

// The setting `default_model` where it is given, registered or not: another model's answer in its place would be a wrong
// one. Else the first by name of the registered models that are preloaded (by the setting or by the registry), else of all.
// Empty: there is none.
std::string default_model(const settings& settings, const registry& registry);

// Is it loaded at start, by the setting or by the registry?
bool is_preloaded(const settings& settings, const registered_model& model);

}  // namespace troupe::config
