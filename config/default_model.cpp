#include "config/default_model.hpp"

#include <algorithm>

namespace troupe::config {

bool is_preloaded(const settings& settings, const registered_model& model) {
  if (!model.enabled) return false;
  const auto& named = settings.preload_models;
  return model.preload || std::find(named.begin(), named.end(), model.name) != named.end();
}

int default_rank(bool preloaded, origin from) noexcept {
  return (preloaded ? 2 : 0) + (from == origin::models_file ? 1 : 0);
}

std::string default_model(const settings& settings, const registry& registry) {
  return default_model(settings, registry.models,
                       [&](const auto& m) { return default_rank(is_preloaded(settings, m.second), m.second.origin); });
}

}  // namespace troupe::config
