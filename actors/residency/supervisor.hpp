#pragma once
// The supervisor: owns the registry of models, the memory ledger, and who is resident. It decides load, evict
// and restart, never blocks and never runs a model. Its policies are the pure functions of eviction.hpp and
// usage.hpp; this is where they meet the messages.
//
// A load (`attempt`) of a registered model; each has a lease of its own:
//
//    miss, load, warm <-- clients; preload, restart after a crash, re-validation, a changed registration
//       |  want_load
//       +------------------ not_before is ahead --------------> backing_off
//       |                                                           |  tick: start_at has come;
//       |  start: estimate --> loader                               |  or somebody asks in person
//       v                                                           |
//    estimating <---------------------------------------------------+
//       |  estimated <-- loader       (a re-validation that finds nothing new ends here)
//       v
//    waiting_for_memory             make_room: evicts others, or waits for what comes back
//       |  load --> loader          the lease has a reservation from here on
//       v
//    loading
//       |  loaded <-- loader
//       v
//    resident
//
//    Before it is resident: fail_load (an error, or room that never comes) and cancel_load (unload, stop, out of the
//    registry; before loading also when nobody wants it any more) tell whoever waits; start_over (the registration has
//    changed) begins anew under another lease, and whoever waits goes on waiting. A loader that has begun is told by
//    `cancelled`; what it loads all the same is reclaimed.
//
// A lease that is resident, and its end:
//
//    resident
//       |  let_go: evicted, unloaded, expired, replaced, crashed, out of the registry, stop
//       v
//    leaving                        its gate is closed, the ledger has it as draining
//       |  finish_leaving: emptied <-- the last one out of its gate; its actor has died (down, failed); stop
//       v
//    its actor has ended
//       |  reclaim --> reclaimer    by whoever drops the last reference to the model
//       v
//    freed <-- reclaimer            the ledger forgets it; whoever waits for its memory is told
//
// A trial (supervisor_trial.cpp) loads a model to measure that and drops it; its lease is known here only:
//
//    optimize <-- client;  estimating: estimate --> loader;  estimated <-- loader: a reservation, or no room;
//    trying: trial --> loader;  tried <-- loader: the reservation goes, whoever waits is told
//
// What holds between two messages:
// S1  A resident model is published with its entry, and its lease is known to the ledger. Nothing else is published.
// S2  Each load has a lease of its own: lease_models_ names them all and nothing else.
// S3  A load that was given to a loader to load holds a reservation; before that the ledger does not know its lease.
// S4  What leaves is known to the ledger until its memory is back.
// S5  Who waits for a model has a load under way to wait for; waiting_requests_ counts the requests.
// S6  A trial that tries holds a reservation; nothing of it is published, and nobody is evicted for it.
// S7  A tick is under way, at the latest for the next housekeeping.

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/protocol/messages.hpp"
#include "actors/protocol/metrics.hpp"
#include "actors/residency/eviction.hpp"
#include "actors/residency/ledger.hpp"
#include "actors/residency/loader.hpp"
#include "actors/residency/usage.hpp"
#include "actors/serving/deadline_heap.hpp"
#include "actors/serving/device.hpp"
#include "actors/serving/routing.hpp"

namespace troupe::actors {

// What the supervisor works with; made by the service (and by tests, with fakes).
struct supervisor_world {
  config::settings settings;
  std::uint64_t total_bytes = 0, budget_bytes = 0;
  std::uint32_t compute_slots = 1;
  std::shared_ptr<metrics> meter;
  std::shared_ptr<routing_snapshot> routes;
  std::shared_ptr<device_gauges> gauges;  // of the device
  std::shared_ptr<std::atomic<std::uint32_t>> in_flight;
  std::shared_ptr<std::atomic<bool>> draining;  // the server is going down
  device_actor device;
  struct gentle_loader {
    loader_actor actor;
    std::shared_ptr<gentleness> gentle;
  };
  std::vector<loader_actor> loaders;
  std::vector<gentle_loader> gentle_loaders;  // while another model is resident
  reclaimer_actor reclaimer;
  std::string registry_trouble;  // of the registry that it starts with
  // Hands requests whose model has become resident (or may have) back to the gateway. Must not block.
  std::function<void(std::vector<pending_ptr>)> dispatch;
};

class supervisor_core {
 public:
  using self_ptr = supervisor_actor::pointer;
  supervisor_core(self_ptr self, supervisor_world world, const config::registry& registry);

  // -- messages (actors/protocol/messages.hpp)
  void miss(const pending_ptr& request);
  void load(const std::string& model, bool again, std::uint64_t wait_ms, shared_reply<load_report> reply);
  void begin_load(const std::string& model, bool again, shared_reply<load_start> reply);
  void unload(const std::string& model, shared_reply<unload_report> reply);
  void warm(const std::string& model, std::uint64_t wait_ms, shared_reply<warmup_report> reply);
  void optimize(const std::string& model, std::uint64_t wait_ms, shared_reply<optimize_report> reply);
  void cleanup(shared_reply<cleanup_report> reply);
  void estimated(lease_id lease, const result<size_estimate>& size);
  void loaded(lease_id lease, load_outcome& outcome);
  void tried(lease_id lease, const trial_outcome& outcome);
  void freed(lease_id lease);
  void emptied(lease_id lease);
  void failed(lease_id lease, const std::string& why);
  void down(const caf::actor_addr& who, const std::string& why);
  void update_registry(const registry_update& update, const shared_reply<std::string>& reply);
  void change_registry(const registry_changes& changes);
  void tick();
  void stop();
  server_report report();
  model_report report_of(const std::string& model);
  bool knows(const std::string& model) const { return records_.contains(model); }

 private:
  // A load under way, from the first request for it to its end.
  struct attempt {
    enum class phase { backing_off, estimating, waiting_for_memory, loading };
    lease_id lease = lease_id::none;  // S2, S3
    phase at = phase::estimating;
    steady_time since{};     // the first wish for it; kept when it is started over
    steady_time start_at{};  // >= since; the end of its back-off
    std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);  // shared with its order
    std::shared_ptr<load_order> order;                            // null while backing_off
    std::shared_ptr<const config::registered_model> ordered_for;  // null likewise; what its order says
    inference::memory_estimate memory;                            // from waiting_for_memory on, as the two below
    std::uint64_t size_bytes = 0;                                 // of it, what nobody else has mapped or will have
    std::string fingerprint;
    std::shared_ptr<gentleness> gentle;  // of the loader it was given to; null: a normal one
    steady_time given_at{};              // to a gentle one
    bool replaces = false;               // the model was resident when it was wanted: load beside, swap, then drain
    bool only_if_changed = false;        // a re-validation
    bool goes_on = false;                // without anybody waiting: preload, restart, asked for by name
  };
  template <class T>
  struct waiter {
    shared_reply<T> reply;          // given by `due` in any case
    steady_time due = no_deadline;  // a tick is under way for it
  };
  struct record {                                                  // of a registered model
    entry_ptr entry;                                               // the same for as long as it is registered
    std::shared_ptr<const config::registered_model> registration;  // never null; entry's, too
    bool preload = false;                                          // by its registration or by preload_models
    config::priority priority = config::priority::low;             // the effective one, as of the last look
    resident_ptr current;                                          // S1; null: not resident
    std::shared_ptr<const config::registered_model> loaded_as;  // current was; alike with `registration`, or outdated
    std::optional<attempt> loading;                   // where it is ordered: for what is alike with `registration`
    std::vector<pending_ptr> requests;                // S5: of clients, answered or given to the gateway
    std::vector<waiter<load_report>> load_waiters;    // S5
    std::vector<waiter<warmup_report>> warm_waiters;  // S5
    std::vector<waiter<load_start>> start_waiters;    // S5: for its size, told by `due` in any case
    decayed_use use;
    std::uint64_t accesses_seen = 0;  // that `use` counts
    steady_time loaded_at{};          // current was
    steady_time validated_at{};       // >= loaded_at: its artifact was last looked at
    steady_time not_before{};         // of the next load, unless somebody asks in person
    std::optional<wall_time> loaded_wall;
    std::optional<double> load_time_s;
    std::uint64_t artifact_bytes = 0;
    std::string fingerprint;              // of what was loaded last
    std::vector<inference::task> tasks;   // likewise
    lease_id last_load = lease_id::none;  // the one under way, else the last
    std::string load_error;               // of the last load that has ended; empty: it went well
    std::string last_error;               // of the last load or crash; empty: it went well
    bool unusable = false;                // the last load failed by the artifact's own fault
    std::uint32_t crashes = 0;            // lately: what the back-off grows with
    std::uint32_t restarts = 0;           // ever
    std::uint32_t load_failures = 0;      // one after the other
    bool down_after_crash = false;        // until the next load succeeds
    const std::string& name() const { return entry->name; }
  };
  struct leaving {  // S4: unloaded, its memory not yet back
    std::string model;
    resident_ptr resident;                       // until nobody is inside, or its actor has died
    std::vector<waiter<unload_report>> waiters;  // the first of them is told the bytes
    bool emptied = false;                        // its gate was empty when it closed, or has told so
    bool evicted = false;                        // not asked for: what it frees counts as cleaned up
  };
  struct trial {
    lease_id lease = lease_id::none;
    std::shared_ptr<load_order> order;
    std::vector<waiter<optimize_report>> waiters;
  };
  struct cleaning {
    std::set<lease_id> leases;  // not empty: of what it unloaded, until their memory is back
    cleanup_report report;      // but for after_bytes
    std::vector<shared_reply<cleanup_report>> waiters;
  };

  // supervisor_load.cpp
  attempt& want_load(record& r, bool goes_on);
  attempt& want_load_now(record& r);
  attempt& new_attempt(record& r, steady_time since);
  void start(record& r);
  void start_over(record& r);
  bool outdated(const record& r) const;
  bool awaited(const record& r) const;  // somebody waits for its load
  void follow_registration(record& r, const config::registered_model& before);
  void begin_loading(record& r);
  void hurry_loads();
  void load_ended(record& r, loaded_model& loaded);
  void serve_waiters(record& r, bool already);
  void call_off(attempt& a);
  void fail_load(record& r, const error& why);
  void cancel_load(record& r, const error& why);
  void give_up_unwanted_loads();
  std::shared_ptr<load_order> make_order(const record& r, const attempt& a) const;
  model_limits limits_of(const record& r) const;
  resident_ptr make_resident(record& r, lease_id lease, loaded_model& loaded);
  loader_actor pick_loader(std::shared_ptr<gentleness>& gentle);
  loader_actor pick_loader(attempt& a);
  record* loading_record(lease_id lease);
  void crashed(record& r, const std::string& why);

  // supervisor_trial.cpp
  void begin_trial(const result<size_estimate>& size);
  void end_trial(const result<optimize_report>& with);

  // supervisor_registry.cpp
  enum class entry_change { none, added, changed };
  entry_change put_entry(const config::registered_model& m);
  std::map<std::string, record>::iterator drop_entry(std::map<std::string, record>::iterator gone);
  void apply_registration(record& r, const config::registered_model& m);
  void publish_routes();
  void tell_of_absent_names() const;
  void tell_if_named(const std::string& absent) const;

  // supervisor_evict.cpp
  void try_memory();
  bool make_room(record& r);
  bool others_go_on(const record& waiting);
  std::vector<eviction_candidate> candidates(const record* except);
  void evict(const std::string& model, bool drain, const char* reason);
  lease_id let_go(record& r);
  void finish_leaving(lease_id lease);
  void refresh_private_bytes();
  std::uint64_t threshold_bytes() const;
  void housekeeping();
  struct departure {
    std::string model;
    lease_id lease;
  };
  std::chrono::seconds ttl_of(const record& r) const;         // 0: none
  std::chrono::nanoseconds idle_time(const record& r) const;  // REQUIRES: resident
  std::vector<departure> expire_idle();
  void expire_waiters();
  steady_time clean_up_now(shared_reply<cleanup_report> reply);
  void count_cleanup(std::string reason);
  std::uint32_t resident_or_loading() const;

  config::priority priority_of(const record& r) const;
  void refresh_priorities();
  void arm(steady_time when);
  steady_time now() const { return self_->clock().now(); }
  // supervisor_report.cpp
  load_report loaded_now(const record& r, bool already) const;  // REQUIRES: resident
  void tell_started(record& r);
  std::optional<double> expected_load_s(const record& r) const;
  model_report report_of(const record& r) const;
  std::vector<missing_model> missing_models() const;
  error unknown(const std::string& model) const;
  static error disabled(const std::string& model);
  bool sound() const;  // S1 to S5, for asserts: it looks at every model

  self_ptr self_;
  supervisor_world world_;
  std::map<std::string, record> records_;         // as the registry in force has them
  std::map<lease_id, std::string> lease_models_;  // S2
  std::map<lease_id, leaving> leaving_;           // S4
  std::optional<trial> trial_;                    // S6; one at a time: it takes a loader and a model's memory
  std::vector<cleaning> cleanings_;               // those whose memory is not all back
  ledger ledger_;
  deadline_heap deadlines_;  // of the requests that wait
  std::uint64_t last_lease_ = 0;
  std::uint32_t next_loader_ = 0;
  std::uint32_t waiting_requests_ = 0;       // S5; at most max_load_waiters
  double loaded_bytes_ = 0, loading_s_ = 0;  // of all loads: the rate that others are expected to have
  double all_use_ = 0;                       // of all models, as of the last look
  steady_time armed_ = no_deadline;          // S7: of the earliest tick under way; a stale one does no harm
  steady_time next_housekeeping_{}, next_cleanup_{};
  steady_time started_{};
  wall_time started_wall_;
  cleanup_totals cleanups_;
  model_counts removed_counts_;  // of models that were taken out of the registry: totals never go back
  bool preloads_done_ = false;   // never again false
  bool stopping_ = false;
};

struct supervisor_state {
  static inline const char* name = "supervisor";
  std::unique_ptr<supervisor_core> core;
};

supervisor_actor::behavior_type supervisor(supervisor_actor::stateful_pointer<supervisor_state> self,
                                           const std::shared_ptr<supervisor_world>& world,
                                           const std::shared_ptr<config::registry>& registry);

}  // namespace troupe::actors
