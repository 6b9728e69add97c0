#pragma once
// Provider sync: when a provider is read (at the start and on its interval, where it has one; on demand), and what
// becomes of its rows.
//
// S1: of one provider at most one sync runs. Who asks meanwhile is answered by the next one, since the running one may
//     have read before what they know of had changed.
// S2: a sync that fails changes nothing but what is told of it. One that has an interval is tried again sooner: after
//     half a minute, then twice as long each time.
// S3: nobody who asks waits longer than `answer_within`: they are told that it goes on, and it does.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "actors/catalog/catalog_metrics.hpp"
#include "actors/protocol/catalog_messages.hpp"
#include "cache/catalog/providers/provider.hpp"

namespace troupe::actors {

// What one sync needs.
struct sync_tools {
  std::function<std::unique_ptr<cache::provider_source>()> source;
  std::shared_ptr<cache::catalog_cache> tiers;
  std::shared_ptr<std::atomic<bool>> ending;  // the server ends: what is read is given up
};

// Reads the provider and writes its rows; caches of what has changed are invalidated. Blocks. `on_demand`: they are
// also where nothing has changed, as whoever asks may know of something.
sync_result run_sync(cache::catalog_database& db, const config::catalog_provider& provider, const sync_tools& tools,
                     bool on_demand);

struct sync_world {
  config::catalog_provider provider;
  sync_tools tools;
  catalog_worker_actor worker;
  std::shared_ptr<catalog_metrics> meter;
  std::chrono::milliseconds answer_within{600000};  // of who asks for one
};

struct provider_sync_state {
  provider_sync_state() = default;  // an aggregate would be made of CAF's pointer to the actor: true, as a bool
  bool running = false;
  std::uint32_t failures = 0;             // one after the other
  std::vector<sync_reply> waiting, next;  // for the one that runs, for the one after it
};

provider_sync_actor::behavior_type provider_sync(provider_sync_actor::stateful_pointer<provider_sync_state> self,
                                                 const std::shared_ptr<const sync_world>& world);

}  // namespace troupe::actors
