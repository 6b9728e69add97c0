#pragma once
// The catalog keeper: what the database is asked. All who want one key at a time share one reading, a **flight**; its
// answer is cached and given to all of them.
//
// K1: of one key and one epoch of its scope there is at most one flight. Who asks after an invalidation never joins a
//     flight that set out before it.
// K2: at most `waiters_max` replies wait; more are refused at once.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "actors/catalog/catalog_metrics.hpp"
#include "actors/protocol/catalog_messages.hpp"
#include "config/settings.hpp"

namespace troupe::actors {

struct catalog_world {
  std::shared_ptr<cache::catalog_cache> tiers;
  std::vector<catalog_worker_actor> readers;  // at least one
  std::vector<config::catalog_provider> providers;
  std::uint32_t waiters_max = 1024;
  std::shared_ptr<catalog_metrics> meter;
  std::function<void()> warm;  // once, at the latest `warm_after` the start
};
inline constexpr std::chrono::milliseconds warm_after{500};  // what Redis is waited for

struct catalog_keeper_state {
  struct flight {
    cache::cache_key key;
    std::vector<shared_reply<catalog_answer>> waiting;
    std::size_t reader = 0;
  };
  std::map<std::string, flight> flights;             // by key and epoch
  std::set<std::string> lists;                       // the document's lists that are being made
  std::map<std::string, std::uint64_t> large_lists;  // those that do not fit, by epoch
  std::vector<std::uint32_t> busy;                   // readings that each reader has before it
  std::uint32_t waiting = 0;
};

catalog_keeper_actor::behavior_type catalog_keeper(catalog_keeper_actor::stateful_pointer<catalog_keeper_state> self,
                                                   const std::shared_ptr<const catalog_world>& world);

// Reads the database for a question. Pure but for `db`. `rows`: of a list.
struct made_answer {
  std::string json;
  std::uint64_t rows = 0;
  bool keep = true;  // false: an empty result, which is no truth to keep
};
result<made_answer> make_answer(cache::catalog_database& db, const catalog_question& question,
                                const std::vector<config::catalog_provider>& providers);

}  // namespace troupe::actors
