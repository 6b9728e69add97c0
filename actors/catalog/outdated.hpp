#pragma once
// What a change of the catalog's rows makes outdated: their provider's lists, and what is made of all providers', as
// document 004 has it. Pure.

#include <string>
#include <vector>

#include "cache/catalog/tiers/catalog_cache.hpp"

namespace troupe::actors {

// What every sync makes outdated, also one that failed or changed nothing.
inline cache::catalog_cache::scope_change when_providers_were_read() {
  return {cache::cache_kind::full, std::string(cache::all_providers), {}};
}

// `ids`: of the models that changed; none where no model is known to have.
inline std::vector<cache::catalog_cache::scope_change> outdated_by(const std::vector<std::string>& providers,
                                                                   std::vector<std::string> ids) {
  using cache::cache_kind;
  std::vector<cache::catalog_cache::scope_change> out;
  out.reserve(providers.size() + ids.size() + 4);
  for (const auto& provider : providers) out.push_back({cache_kind::provider, provider, {}});
  for (const auto kind : {cache_kind::full, cache_kind::unique, cache_kind::stats}) out.push_back({kind, {}, {}});
  out.push_back(when_providers_were_read());
  if (ids.empty()) return out;
  out.push_back({cache_kind::model, {}, ids});
  out.push_back({cache_kind::pricing, {}, std::move(ids)});
  return out;
}

}  // namespace troupe::actors
