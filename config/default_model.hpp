#pragma once
// Which model answers requests that name none. Pure functions, asked whenever the registry changes.

#include <string>

#include "config/registry.hpp"
#include "config/settings.hpp"

namespace troupe::config {

// Is it loaded at start, by the setting or by the registry?
bool is_preloaded(const settings& settings, const registered_model& model);

// The higher one's model is the default: those that are preloaded, then those of the operator's file. (Else a download
// would change who answers.)
int default_rank(bool preloaded, origin from) noexcept;

// The setting `default_model` where it is given, registered or not: another model's answer in its place would be a
// wrong one. Else the first by name of those with the highest rank. Empty: there is none. `models` is in the order of
// the names that are its elements' `first`; `rank_of` takes an element.
template <class Models, class RankOf>
std::string default_model(const settings& settings, const Models& models, RankOf rank_of) {
  if (!settings.default_model.empty()) return settings.default_model;
  const std::string* best = nullptr;
  int highest = 0;
  for (const auto& m : models) {
    const int rank = rank_of(m);
    if (best != nullptr && rank <= highest) continue;
    best = &m.first;
    highest = rank;
  }
  return best != nullptr ? *best : std::string();
}

std::string default_model(const settings& settings, const registry& registry);

}  // namespace troupe::config
