#include "config/default_model.hpp"

#include <algorithm>

namespace troupe::config {

bool is_preloaded(const settings& settings, const registered_model& model) {
  const auto& named = settings.preload_models;
  return model.preload || std::find(named.begin(), named.end(), model.name) != named.end();
}

std::string default_model(const settings& settings, const registry& registry) {
  if (!settings.default_model.empty()) return settings.default_model;
  const auto& all = registry.models;
  const auto first = std::find_if(all.begin(), all.end(), [&](const auto& m) { return is_preloaded(settings, m.second); });
  if (first != all.end()) return first->first;
  return all.empty() ? std::string() : all.begin()->first;
}

}  // namespace troupe::config
