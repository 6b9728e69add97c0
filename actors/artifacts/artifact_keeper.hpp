#pragma once
// The artifact keeper: owns the artifact store and the table of downloads. What changes the store goes through it, so
// its decisions follow one another; each download is fetched by a downloader of its own.
//
//   download -> [keeper: known? under way?] -> downloader: plans, fetches, publishes
//      fetched -> registry keeper: registers -> entered -> supervisor: loads -> loaded: completed
//   remove   -> cancels, waits for the downloader -> registry keeper: unregisters -> left -> the store: removes
//
// What always holds:
//   K1  a model that the store has is registered, or is about to be, or its name is the operator's; at the start too
//   K2  what is not in the registry any more, and not under way, is not in the store either, but for names of the
//   operator's

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "actors/artifacts/downloader.hpp"
#include "actors/artifacts/downloads.hpp"
#include "actors/protocol/messages.hpp"
#include "actors/serving/routing.hpp"
#include "cache/artifacts/store/store.hpp"
#include "config/names.hpp"

namespace troupe::actors {

struct artifact_metrics;

struct artifact_world {
  std::shared_ptr<cache::store> artifacts;
  // Has an order carried out by a downloader, which tells the keeper. Returns at once.
  std::function<void(const std::shared_ptr<pull_order>&, const artifact_keeper_actor&)> fetch;
  std::function<probe_result(const config::registered_model&)> probe;  // blocks for moments
  std::filesystem::path ready_store;                                   // of serving-ready copies, which loads write
  std::function<void()> take_counts;                                   // of the transfers, into the metrics
  download_limits limits;
  std::uint64_t store_limit_bytes = 0;
  std::uint64_t load_timeout_ms = 120000;
  config::reserved_names reserved;
  std::shared_ptr<const routing_snapshot> routes;  // what is registered
  registry_keeper_actor registry;
  supervisor_actor supervisor;
  std::shared_ptr<artifact_metrics> meter;
};

class artifact_keeper_core {
 public:
  artifact_keeper_core(artifact_keeper_actor::pointer self, artifact_world world);

  // -- messages
  void pull(const download_request& request, const shared_reply<download_report>& reply);
  void status(const std::string& id, const shared_reply<download_report>& reply);
  void watch(const std::string& id, download_watcher tell, const shared_reply<download_report>& reply);
  void list(const shared_reply<store_report>& reply);
  void find(const std::string& model, const shared_reply<artifact_status>& reply);
  void remove(const std::string& model, shared_reply<removal_report> reply);
  void copy(const std::string& model, const std::string& to, const shared_reply<artifact_status>& reply);
  void update(const std::string& model, const shared_reply<download_report>& reply);
  void retry(const std::string& model, bool force, const shared_reply<download_report>& reply);
  void progress(const std::string& id, const pull_progress& now);
  void fetched(const std::string& id, pull_outcome& outcome);
  void entered(const std::string& id, const result<registration_report>& outcome);
  void loaded(const std::string& id, const result<load_report>& outcome);
  void left(const std::string& model, const result<registration_report>& outcome);
  void used(const server_report& now);
  void probe_next();
  void tick();
  void stop();

 private:
  struct removal {  // of one name; under way
    std::vector<shared_reply<removal_report>> replies;
    bool cancelled = false;
  };

  void start(download_request request, const shared_reply<download_report>& reply);
  void start_vocoder(const cache::pull_request& of);
  void take_turns();
  void tell(download& d);
  void finish(download& d, download_state how, std::string message);
  void register_artifact(const cache::manifest& m, std::function<void(result<registration_report>)> then);
  void unregister(const std::string& model);
  void go_on_removing(const std::string& model);
  void removed(const std::string& model, result<removal_report> outcome);
  void reconcile();
  void collect(const std::set<std::filesystem::path>& in_use);
  void measure();
  void upkeep();
  const probe_result& probe(const cache::manifest& m);
  artifact_report describe(const cache::manifest& m, const std::map<std::string, std::uint64_t>& ready) const;
  std::shared_ptr<const config::registered_model> registered(const std::string& model) const;

  const artifact_keeper_actor::pointer self_;
  artifact_world world_;
  downloads table_;
  std::map<std::string, removal> removals_;
  std::map<std::filesystem::path, probe_result> probes_;  // by folder, which does not change
  std::vector<cache::manifest> unprobed_;                 // as of the last look
  std::map<std::string, wall_time> seen_used_;            // by model: told to the store until then
  rate_of_downloads usual_;
  std::uint64_t answered_ = 0, downloaded_ = 0;
  std::uint32_t fetching_ = 0;  // downloaders that have not told their end
  bool stopping_ = false;
};

struct artifact_keeper_state {
  static inline const char* name = "artifact_keeper";
  std::unique_ptr<artifact_keeper_core> core;
};

artifact_keeper_actor::behavior_type artifact_keeper(
    artifact_keeper_actor::stateful_pointer<artifact_keeper_state> self, const std::shared_ptr<artifact_world>& world);

}  // namespace troupe::actors
