#pragma once
// What the actors tell the outside: plain values, ready to be written as JSON.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/registered_models.hpp"
#include "config/registry.hpp"
#include "inference/model/model.hpp"

namespace troupe::actors {

using wall_time = std::chrono::system_clock::time_point;

enum class residency { unloaded, loading, resident, draining, failed };
std::string_view to_string(residency r) noexcept;

// Counters of one registered model; they survive unloading. A batch of N is N accesses and N inferences.
struct model_counts {
  std::uint64_t accesses = 0, cache_hits = 0, cache_misses = 0, inferences = 0, failures = 0;
  std::uint64_t prediction_cache_hits = 0;
  double avg_inference_time_ms = 0;  // 0 before the first
  // How items ended; those that their client got wrong or gave up are neither.
  std::uint64_t answered = 0, failed = 0;
  double hit_rate() const noexcept {
    const auto all = cache_hits + cache_misses;
    return all == 0 ? 0.0 : static_cast<double>(cache_hits) / static_cast<double>(all);
  }
  // Null before the first.
  std::optional<double> success_rate() const noexcept {
    const auto all = answered + failed;
    if (all == 0) return std::nullopt;
    return static_cast<double>(answered) / static_cast<double>(all);
  }
};
// Times are averaged over the inferences of both.
void add_counts(model_counts& total, const model_counts& more) noexcept;

struct model_report {
  config::registered_model registration;
  residency state = residency::unloaded;
  config::priority priority = config::priority::low;  // the effective one
  std::uint64_t memory_bytes = 0;                     // in the ledger, for this model
  std::uint64_t artifact_bytes = 0;                   // 0: not known yet
  std::optional<wall_time> last_accessed, loaded_at;
  std::optional<std::chrono::seconds> expires_in;  // of what is idle; null: not in memory, or it stays there
  std::optional<double> load_time_s, warmup_time_s;
  bool warmup_completed = false;  // all buckets
  std::uint32_t instances = 0, queue_items = 0;
  std::optional<inference::model_info> info;  // while resident
  std::vector<inference::task> tasks;         // what it does: as it said in memory, else the registry's word
  std::optional<double> resident_s;           // since it was loaded
  bool loading = false;                       // a load is under way, perhaps beside the one that serves
  std::string load_id;                        // of that one, else of the last; empty: there was none
  std::string load_error;                     // of the last load that has ended; empty: it went well
  std::string last_error;                     // of the last failed load or crash
  std::uint32_t restarts = 0;
  model_counts counts;
};

struct memory_report {
  std::uint64_t used_bytes = 0;       // the ledger: mappings once, private bytes, reservations, draining
  std::uint64_t reserved_bytes = 0;   // of loads in flight
  std::uint64_t draining_bytes = 0;   // unloaded, not yet back
  std::uint64_t total_bytes = 0;      // machine, cgroup or memory_limit_mb
  std::uint64_t budget_bytes = 0;     // the hard limit that a load must fit under
  std::uint64_t threshold_bytes = 0;  // above it the cleanup evicts
  double max_usage = 0.8;             // budget_bytes / total_bytes as configured
};

struct cleanup_totals {
  std::uint64_t cleanups = 0, bytes_freed = 0, evictions = 0;
  std::optional<wall_time> last;
  std::string last_reason = {};  // as cleanup_report::reason; empty: none yet
};

// A preloaded model that is not there, and why.
struct missing_model {
  std::string name, why;
};

// starting: what is preloaded is not there yet, and has not failed; never again once that is over.
// degraded: a preloaded model could not be loaded, or crashed and is not back.
enum class health { starting, healthy, degraded, draining };
std::string_view to_string(health h) noexcept;

// The whole of it, taken by the supervisor at one moment.
struct server_report {
  std::vector<model_report> models;  // by name
  memory_report memory;
  cleanup_totals cleanups;
  model_counts totals;
  wall_time started;
  double uptime_s = 0;
  health state = health::starting;
  bool ready = false;                  // healthy, or degraded where `ready_when_degraded` allows it
  std::vector<missing_model> missing;  // while starting: those that are still loading too
  std::string registry_trouble;        // models may be missing from the registry, and why; empty: none
  std::uint32_t in_flight_items = 0, load_waiters = 0;
  std::uint32_t compute_slots = 0, busy_slots = 0, replaced_slots = 0;
};

// What one change of the registry has done; told when it is on the disk and in force.
struct registration_report {
  std::string model;
  config::registration_outcome outcome = config::registration_outcome::unchanged;
};
struct load_report {
  std::string model;
  bool already = false;  // it was resident
  double load_time_s = 0;
  std::uint64_t memory_bytes = 0;
  std::string version = {};  // of the artifact, as the model says it
};
// A load that nobody need wait for. How it ends is told by model_report: loading, load_error.
struct load_start {
  std::string model;
  std::string load_id;
  bool already = false;              // it is resident, and nothing is loaded
  std::optional<double> expected_s;  // from its beginning; null: nothing is known of its size
};
// A load up to its first answer, made to be measured; of several the quickest.
struct measured_load {
  double first_answer_s = 0;
  std::uint64_t private_bytes = 0;  // of memory that is not the copy's, which others may share
};
struct optimize_report {
  std::string model;
  std::uint64_t copy_bytes = 0;  // of the serving-ready copy, whole and checked; 0: there is none
  std::optional<measured_load> without_copy, with_copy;  // null: not measured, or there is no copy
  std::string notes;  // why it is not measured, or why there is no copy although there could be
};
struct unload_report {
  std::string model;
  bool already = false;           // it was not resident
  bool called_off = false;        // it was being loaded
  std::uint64_t freed_bytes = 0;  // measured, after the memory is back
};
struct warmup_report {
  std::string model;
  std::uint32_t requests = 0;  // warm-up inferences that ran
  double time_s = 0, avg_response_ms = 0;
};
struct cleanup_report {
  std::vector<std::string> models_unloaded;
  std::uint64_t before_bytes = 0, after_bytes = 0;
  // Of what was unloaded: "memory_threshold_exceeded", "max_models_exceeded", or "ttl_expired" where neither was the
  // case; of a cleanup that unloaded nothing: "not_needed", or "all_spared" where nothing may go yet (just loaded, in
  // use or pinned).
  std::string reason;
};

}  // namespace troupe::actors
