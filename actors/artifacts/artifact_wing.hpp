#pragma once
// Puts the wing together: the store, the transfers, the artifact keeper, and the service before them.

#include <memory>

#include <prometheus/registry.h>
#include <caf/all.hpp>

#include "actors/protocol/artifacts.hpp"
#include "actors/protocol/messages.hpp"
#include "actors/serving/routing.hpp"
#include "config/names.hpp"
#include "config/settings.hpp"
#include "inference/model/artifact.hpp"

namespace troupe::actors {

struct artifact_neighbours {
  std::shared_ptr<const routing_snapshot> routes;  // published already
  registry_keeper_actor registry;
  supervisor_actor supervisor;
};

// Owned by the service; ends (cancels downloads, waits for them) with its destructor, before the neighbours do. Where
// the store cannot be opened, every call answers why, and the rest of the server goes on without it.
class artifact_wing {
 public:
  virtual ~artifact_wing() = default;
  virtual artifact_service& service() = 0;

  static std::unique_ptr<artifact_wing> make(caf::actor_system& system, const config::settings& settings,
                                             const config::reserved_names& reserved, artifact_neighbours beside,
                                             const inference::load_options& load, prometheus::Registry& metrics);
};

}  // namespace troupe::actors
