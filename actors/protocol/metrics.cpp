#include "actors/protocol/metrics.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <unordered_map>

#include "cache/prediction/prediction_cache.hpp"

namespace troupe::actors {

namespace {

using prometheus::Histogram;

// 50 us to 30 s: from an echo to a deadline.
const Histogram::BucketBoundaries seconds{0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                          0.05,    0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30};
const Histogram::BucketBoundaries long_seconds{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400};
const Histogram::BucketBoundaries items{1, 2, 4, 8, 16, 32, 64, 128, 256};
const Histogram::BucketBoundaries tokens{8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};

// One number of every report.
struct of_report {
  const char* name;
  const char* help;
  double (*value)(const server_report&);
  const char* origin = nullptr;  // the label, where one name has several
};

constexpr double mib = 1048576.0;
double number(std::uint64_t n) { return static_cast<double>(n); }
double resident_models(const server_report& r) {
  return static_cast<double>(std::count_if(r.models.begin(), r.models.end(),
                                           [](const model_report& m) { return m.state == residency::resident; }));
}

double registered_models(const server_report& r, config::origin from) {
  return static_cast<double>(std::count_if(r.models.begin(), r.models.end(),
                                           [from](const model_report& m) { return m.registration.origin == from; }));
}

constexpr of_report gauges_of_reports[] = {
    // document 001's
    {"model_cache_models_total", "Total number of models", [](const server_report& r) { return number(r.models.size()); }},
    {"model_cache_models_cached", "Cached models count", resident_models},
    {"model_cache_memory_usage_mb", "Memory usage in MB",
     [](const server_report& r) { return number(r.memory.used_bytes) / mib; }},
    {"model_cache_memory_usage_percentage", "Memory usage percentage",
     [](const server_report& r) {
       const auto& m = r.memory;
       return m.total_bytes ? 100.0 * number(m.used_bytes) / number(m.total_bytes) : 0;
     }},
    {"model_cache_hit_rate", "Cache hit rate", [](const server_report& r) { return r.totals.hit_rate(); }},
    {"model_cache_inference_time_ms", "Average inference time in milliseconds",
     [](const server_report& r) { return r.totals.avg_inference_time_ms; }},
    // ours
    {"troupe_registered_models", "Registered models by where they stand",
     [](const server_report& r) { return registered_models(r, config::origin::models_file); }, "models_file"},
    {"troupe_registered_models", "Registered models by where they stand",
     [](const server_report& r) { return registered_models(r, config::origin::run_time); }, "run_time"},
    {"troupe_memory_used_bytes", "The ledger: mappings once, private bytes, reservations, draining",
     [](const server_report& r) { return number(r.memory.used_bytes); }},
    {"troupe_memory_reserved_bytes", "Reserved for loads in flight",
     [](const server_report& r) { return number(r.memory.reserved_bytes); }},
    {"troupe_memory_draining_bytes", "Unloaded, not yet back",
     [](const server_report& r) { return number(r.memory.draining_bytes); }},
    {"troupe_memory_budget_bytes", "The hard limit that a load must fit under",
     [](const server_report& r) { return number(r.memory.budget_bytes); }},
    {"troupe_in_flight_items", "Items admitted and not yet answered",
     [](const server_report& r) { return number(r.in_flight_items); }},
    {"troupe_load_waiters", "Requests waiting for a load", [](const server_report& r) { return number(r.load_waiters); }},
    {"troupe_compute_slots", "Compute slots", [](const server_report& r) { return number(r.compute_slots); }},
    {"troupe_compute_slots_busy", "Compute slots that run a batch",
     [](const server_report& r) { return number(r.busy_slots); }},
    {"troupe_ready", "1 when /health/ready answers 200", [](const server_report& r) { return r.ready ? 1.0 : 0.0; }},
    {"troupe_prediction_cache_hits", "Answers from the prediction cache",
     [](const server_report& r) { return number(r.totals.prediction_cache_hits); }},
    {"troupe_prediction_cache_bytes", "What the prediction cache holds",
     [](const server_report&) { return number(cache::prediction_cache::shared().size_bytes()); }},
};
constexpr of_report counters_of_reports[] = {
    {"model_cache_inferences_total", "Total number of inferences",
     [](const server_report& r) { return number(r.totals.inferences); }},
    {"model_cache_cache_hits_total", "Total cache hits", [](const server_report& r) { return number(r.totals.cache_hits); }},
    {"model_cache_cache_misses_total", "Total cache misses",
     [](const server_report& r) { return number(r.totals.cache_misses); }},
    {"model_cache_cleanup_events_total", "Total cleanup events",
     [](const server_report& r) { return number(r.cleanups.cleanups); }},
    {"model_cache_memory_cleanup_mb", "Total memory cleaned up in MB",
     [](const server_report& r) { return number(r.cleanups.bytes_freed) / mib; }},
};

template <class Builder>
auto& family(prometheus::Registry& registry, Builder builder, const char* name, const char* help) {
  return builder.Name(name).Help(help).Register(registry);
}

}  // namespace

struct metrics::families {
  explicit families(const std::shared_ptr<prometheus::Registry>& shared) : families(*shared) { registry = shared; }

  // A model's handles; the last owner of what it gives takes the series out.
  static model_metrics_ptr make(const std::shared_ptr<families>& f, const std::string& name) {
    const prometheus::Labels model{{"model", name}};
    auto* made = new model_metrics{
        f->end_to_end.Add(model, seconds), f->queue.Add(model, seconds), f->prepare.Add(model, seconds), f->infer.Add(model, seconds),
        f->load.Add(model, seconds), f->batch_items.Add(model, items), f->batch_cost.Add(model, tokens), f->queue_depth.Add(model),
        f->instances.Add(model), f->evictions.Add(model), f->restarts.Add(model), f->expired.Add(model), f->rejected.Add(model),
        f->failed.Add(model)};
    return {made, [f, name](model_metrics* m) {
              f->remove(name, *m);
              delete m;
            }};
  }
  void remove(const std::string& name, model_metrics& m) {
    const std::lock_guard lock(mutex);
    end_to_end.Remove(&m.end_to_end_s);
    queue.Remove(&m.queue_s);
    prepare.Remove(&m.prepare_s);
    infer.Remove(&m.infer_s);
    load.Remove(&m.load_s);
    batch_items.Remove(&m.batch_items);
    batch_cost.Remove(&m.batch_cost);
    queue_depth.Remove(&m.queue_items);
    instances.Remove(&m.instances);
    evictions.Remove(&m.evictions);
    restarts.Remove(&m.restarts);
    expired.Remove(&m.expired);
    rejected.Remove(&m.rejected);
    failed.Remove(&m.failed);
    models.erase(name);
    removed.notify_all();
  }

 private:
  explicit families(prometheus::Registry& r)
      : end_to_end(family(r, prometheus::BuildHistogram(), "troupe_request_duration_seconds", "From admission to the answer, an item")),
        queue(family(r, prometheus::BuildHistogram(), "troupe_queue_duration_seconds", "Waiting for a batch, an item")),
        prepare(family(r, prometheus::BuildHistogram(), "troupe_tokenize_duration_seconds", "Preparing the input, an item")),
        infer(family(r, prometheus::BuildHistogram(), "troupe_inference_duration_seconds", "Running the model, a batch")),
        load(family(r, prometheus::BuildHistogram(), "troupe_load_duration_seconds", "Loading a model, with its first run")),
        batch_items(family(r, prometheus::BuildHistogram(), "troupe_batch_items", "Items in a batch")),
        batch_cost(family(r, prometheus::BuildHistogram(), "troupe_batch_tokens", "Padded tokens in a batch")),
        queue_depth(family(r, prometheus::BuildGauge(), "troupe_queue_items", "Items waiting in a model's queue")),
        instances(family(r, prometheus::BuildGauge(), "troupe_model_instances", "Instances of a model")),
        evictions(family(r, prometheus::BuildCounter(), "troupe_evictions_total", "Evictions of a model")),
        restarts(family(r, prometheus::BuildCounter(), "troupe_restarts_total", "Restarts of a model after a crash or a hang")),
        expired(family(r, prometheus::BuildCounter(), "troupe_expired_total", "Requests whose deadline passed (504)")),
        rejected(family(r, prometheus::BuildCounter(), "troupe_rejected_total", "Requests refused by a model's queue (429)")),
        failed(family(r, prometheus::BuildCounter(), "troupe_failed_total", "Items that the model failed")),
        reported_gauges(all<prometheus::Gauge>(r, prometheus::BuildGauge(), gauges_of_reports)),
        reported_counters(all<prometheus::Counter>(r, prometheus::BuildCounter(), counters_of_reports)) {}

  template <class Handle>
  struct shown {  // of each report
    Handle* handle;
    double (*value)(const server_report&);
  };
  template <class Handle, class Builder, std::size_t N>
  static std::vector<shown<Handle>> all(prometheus::Registry& r, const Builder& builder, const of_report (&table)[N]) {
    std::vector<shown<Handle>> handles;
    for (const auto& row : table) {
      const auto labels = row.origin ? prometheus::Labels{{"origin", row.origin}} : prometheus::Labels{};
      handles.push_back({&family(r, builder, row.name, row.help).Add(labels), row.value});
    }
    return handles;
  }

 public:
  std::shared_ptr<prometheus::Registry> registry;
  prometheus::Family<Histogram>&end_to_end, &queue, &prepare, &infer, &load, &batch_items, &batch_cost;
  prometheus::Family<prometheus::Gauge>&queue_depth, &instances;
  prometheus::Family<prometheus::Counter>&evictions, &restarts, &expired, &rejected, &failed;
  std::vector<shown<prometheus::Gauge>> reported_gauges;
  std::vector<shown<prometheus::Counter>> reported_counters;
  struct known {
    std::weak_ptr<model_metrics> live;
    model_metrics_ptr kept;  // null: forgotten, but still held by somebody
  };
  std::mutex mutex;  // of what follows
  std::condition_variable removed;
  std::map<std::string, known> models;
};

metrics::metrics() : metrics(std::make_shared<prometheus::Registry>()) {}

metrics::metrics(std::shared_ptr<prometheus::Registry> r)
    : eviction_age_s(family(*r, prometheus::BuildHistogram(), "troupe_eviction_age_seconds", "Age of a model when it is evicted").Add({}, long_seconds)),
      eviction_idle_s(family(*r, prometheus::BuildHistogram(), "troupe_eviction_idle_seconds", "Idle time of a model when it is evicted").Add({}, long_seconds)),
      miss_wait_s(family(*r, prometheus::BuildHistogram(), "troupe_miss_wait_seconds", "What a request waited for a load").Add({}, seconds)),
      load_queue_s(family(*r, prometheus::BuildHistogram(), "troupe_load_queue_seconds", "What a load waited for memory and a loader").Add({}, seconds)),
      load_failures(family(*r, prometheus::BuildCounter(), "troupe_load_failures_total", "Loads that failed").Add({})),
      slots_replaced(family(*r, prometheus::BuildCounter(), "troupe_compute_slots_replaced_total", "Slot threads given up because they hung").Add({})),
      admission_rejected(family(*r, prometheus::BuildCounter(), "troupe_admission_rejected_total", "Requests refused before any queue (429)").Add({})),
      cancelled(family(*r, prometheus::BuildCounter(), "troupe_cancelled_total", "Requests whose client left, or read its stream too slowly").Add({})),
      registry_(std::move(r)),
      families_(std::make_shared<families>(registry_)) {}

metrics::~metrics() {
  std::map<std::string, families::known> all;  // dropped without the lock: their series are taken out under it
  const std::lock_guard lock(families_->mutex);
  for (auto& [name, m] : families_->models) all[name].kept = std::move(m.kept);
}

model_metrics_ptr metrics::for_model(const std::string& name) {
  auto& f = *families_;
  std::unique_lock lock(f.mutex);
  for (;;) {
    const auto known = f.models.find(name);
    if (known == f.models.end()) break;
    if (auto live = known->second.live.lock()) return known->second.kept = std::move(live);
    f.removed.wait(lock);  // its last owner is taking its series out just now
  }
  auto made = families::make(families_, name);
  f.models[name] = {made, made};
  return made;
}

void metrics::forget(const std::string& name) {
  model_metrics_ptr gone;  // dropped without the lock
  const std::lock_guard lock(families_->mutex);
  if (const auto known = families_->models.find(name); known != families_->models.end()) gone = std::move(known->second.kept);
}

void metrics::update(const server_report& r) {
  auto& f = *families_;
  const std::lock_guard lock(f.mutex);
  std::unordered_map<std::string_view, const model_report*> resident;
  for (const auto& m : r.models)
    if (m.state == residency::resident) resident.emplace(m.registration.name, &m);
  for (const auto& [name, m] : f.models) {
    if (!m.kept) continue;
    const auto found = resident.find(name);
    m.kept->instances.Set(found == resident.end() ? 0 : found->second->instances);
    m.kept->queue_items.Set(found == resident.end() ? 0 : found->second->queue_items);
  }
  for (const auto& g : f.reported_gauges) g.handle->Set(g.value(r));
  for (const auto& c : f.reported_counters)
    if (const auto more = c.value(r) - c.handle->Value(); more > 0) c.handle->Increment(more);
}

}  // namespace troupe::actors
