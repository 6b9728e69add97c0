#pragma once
// Puts the wing together: the tiers, the database's workers, the keeper, a sync a provider, and the service before
// them.

#include <functional>
#include <memory>
#include <vector>

#include <prometheus/registry.h>
#include <caf/all.hpp>

#include "actors/protocol/catalog.hpp"
#include "cache/catalog/offer.hpp"
#include "config/settings.hpp"

namespace troupe::actors {

// Owned by the service; ends with its destructor: syncs are given up, what is written is finished unless that takes
// more than a second, and is cancelled then. A database or a Redis that cannot be reached is no reason not to start:
// questions say so until it is there.
class catalog_wing {
 public:
  virtual ~catalog_wing() = default;
  virtual catalog_service& service() = 0;

  // `own_models`: this server's, as the provider `local` offers them; any thread.
  static std::unique_ptr<catalog_wing> make(caf::actor_system& system, const config::settings& settings,
                                            const std::function<std::vector<cache::offer>()>& own_models,
                                            prometheus::Registry& metrics);
};

}  // namespace troupe::actors
