// What the supervisor tells.

#include "actors/residency/supervisor.hpp"

namespace troupe::actors {

using namespace std::chrono_literals;

std::string_view to_string(residency r) noexcept {
  switch (r) {
    case residency::unloaded: return "unloaded";
    case residency::loading: return "loading";
    case residency::resident: return "resident";
    case residency::draining: return "draining";
    case residency::failed: return "failed";
  }
  return "unloaded";
}

std::string_view to_string(health h) noexcept {
  switch (h) {
    case health::starting: return "starting";
    case health::healthy: return "healthy";
    case health::degraded: return "degraded";
    case health::draining: return "draining";
  }
  return "starting";
}

model_counts model_entry::counts() const noexcept {
  model_counts c;
  c.accesses = accesses.load(std::memory_order_relaxed);
  c.cache_hits = cache_hits.load(std::memory_order_relaxed);
  c.cache_misses = cache_misses.load(std::memory_order_relaxed);
  c.prediction_cache_hits = prediction_cache_hits.load(std::memory_order_relaxed);
  c.inferences = inferences.load(std::memory_order_relaxed);
  c.failures = failures.load(std::memory_order_relaxed);
  c.answered = ends.answered.load(std::memory_order_relaxed);
  c.failed = ends.failed.load(std::memory_order_relaxed);
  if (c.inferences)
    c.avg_inference_time_ms =
        static_cast<double>(inference_us.load(std::memory_order_relaxed)) * 1e-3 / static_cast<double>(c.inferences);
  return c;
}

void add_counts(model_counts& total, const model_counts& more) noexcept {
  const auto inferences = total.inferences + more.inferences;
  if (inferences != 0)
    total.avg_inference_time_ms = (total.avg_inference_time_ms * static_cast<double>(total.inferences) +
                                   more.avg_inference_time_ms * static_cast<double>(more.inferences)) /
                                  static_cast<double>(inferences);
  total.accesses += more.accesses;
  total.cache_hits += more.cache_hits;
  total.cache_misses += more.cache_misses;
  total.prediction_cache_hits += more.prediction_cache_hits;
  total.inferences = inferences;
  total.failures += more.failures;
  total.answered += more.answered;
  total.failed += more.failed;
}

// -- of loads ---------------------------------------------------------------------------------------------------

load_report supervisor_core::loaded_now(const record& r, bool already) const {
  return {r.name(), already, r.load_time_s.value_or(0), ledger_.bytes_of(r.current->lease),
          r.current->model->info().version};
}

// As long as the last time; else as its size tells, from what loads have run at here.
std::optional<double> supervisor_core::expected_load_s(const record& r) const {
  constexpr double first_bytes_per_s = 100 << 20;  // before any was measured
  if (r.load_time_s && config::loads_alike(*r.loaded_as, *r.registration)) return r.load_time_s;
  if (r.artifact_bytes == 0) return std::nullopt;
  return static_cast<double>(r.artifact_bytes) / (loading_s_ > 0 ? loaded_bytes_ / loading_s_ : first_bytes_per_s);
}

void supervisor_core::tell_started(record& r) {
  for (auto& w : std::exchange(r.start_waiters, {}))
    (*w.reply)(load_start{r.name(), load_id_of(r.last_load), false, expected_load_s(r)});
}

// -- of all ----------------------------------------------------------------------------------------------------

model_report supervisor_core::report_of(const std::string& model) {
  refresh_private_bytes();
  refresh_priorities();
  return report_of(records_.at(model));
}

model_report supervisor_core::report_of(const record& r) const {
  model_report out;
  out.registration = *r.registration;
  out.priority = r.priority;
  out.artifact_bytes = r.artifact_bytes;
  if (const auto used = r.entry->last_used_wall_ns.load(std::memory_order_relaxed))
    out.last_accessed = wall_time(std::chrono::duration_cast<wall_time::duration>(std::chrono::nanoseconds(used)));
  out.last_error = r.last_error;
  out.load_error = r.load_error;
  out.load_id = load_id_of(r.last_load);
  out.loading = r.loading && r.loading->at != attempt::phase::backing_off &&
                !(r.loading->at == attempt::phase::estimating && r.loading->only_if_changed);
  if (r.loaded_as && config::loads_alike(*r.loaded_as, *r.registration))
    out.tasks = r.tasks;
  else if (const auto told = inference::parse_task(r.registration->task))
    out.tasks = {*told};
  out.restarts = r.restarts;
  out.counts = r.entry->counts();
  if (r.current) {
    out.state = residency::resident;
    out.memory_bytes = ledger_.bytes_of(r.current->lease);
    out.loaded_at = r.loaded_wall;
    out.resident_s = std::chrono::duration<double>(now() - r.loaded_at).count();
    out.load_time_s = r.load_time_s;
    out.warmup_completed = r.current->fully_warm.load(std::memory_order_acquire);
    if (out.warmup_completed) out.warmup_time_s = static_cast<double>(r.current->warmup_us.load()) * 1e-6;
    out.instances = r.current->instances.load(std::memory_order_relaxed);
    out.queue_items = r.current->queue_items.load(std::memory_order_relaxed);
    out.info = r.current->model->info();
    if (const auto ttl = ttl_of(r); ttl.count() > 0 && !r.preload && !r.registration->pinned)
      out.expires_in = std::max(0s, std::chrono::ceil<std::chrono::seconds>(ttl - idle_time(r)));
  } else if (r.loading && r.loading->at != attempt::phase::backing_off) {
    out.state = residency::loading;
  } else if (!r.last_error.empty()) {
    out.state = residency::failed;
  } else {
    for (const auto& [lease, l] : leaving_)
      if (l.model == r.name()) out.state = residency::draining;
  }
  return out;
}

// A model that was there and was unloaded, evicted or has expired comes back with its next request: it is not missing.
std::vector<missing_model> supervisor_core::missing_models() const {
  std::vector<missing_model> out;
  for (const auto& [name, r] : records_) {
    if (!r.preload || r.current) continue;
    if (!r.last_error.empty())
      out.push_back({name, r.last_error});
    else if (!preloads_done_ && r.loading)
      out.push_back({name, "it is still loading"});
  }
  for (const auto& name : world_.settings.preload_models)
    if (!records_.contains(name)) out.push_back({name, "it is not in the registry"});
  return out;
}

server_report supervisor_core::report() {
  refresh_private_bytes();
  refresh_priorities();
  server_report out;
  out.models.reserve(records_.size());
  out.totals = removed_counts_;
  out.missing = missing_models();
  out.registry_trouble = world_.registry_trouble;
  out.state = world_.draining->load() ? health::draining
              : !preloads_done_       ? health::starting
              : out.missing.empty()   ? health::healthy
                                      : health::degraded;
  out.ready = out.state == health::healthy || (out.state == health::degraded && world_.settings.ready_when_degraded);
  for (const auto& [name, r] : records_) {
    auto m = report_of(r);
    add_counts(out.totals, m.counts);
    out.models.push_back(std::move(m));
  }
  out.memory.used_bytes = ledger_.used_bytes();
  out.memory.reserved_bytes = ledger_.reserved_bytes();
  out.memory.draining_bytes = ledger_.draining_bytes();
  out.memory.total_bytes = world_.total_bytes;
  out.memory.budget_bytes = world_.budget_bytes;
  out.memory.threshold_bytes = threshold_bytes();
  out.memory.max_usage = world_.settings.max_memory_usage;
  out.cleanups = cleanups_;
  out.started = started_wall_;
  out.uptime_s = std::chrono::duration<double>(now() - started_).count();
  out.in_flight_items = world_.in_flight->load(std::memory_order_relaxed);
  out.load_waiters = waiting_requests_;
  out.compute_slots = world_.gauges->slots.load();
  out.busy_slots = world_.gauges->busy.load();
  out.replaced_slots = world_.gauges->replaced.load();
  world_.meter->update(out);
  return out;
}

}  // namespace troupe::actors
