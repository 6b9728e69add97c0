#include "actors/protocol/metrics.hpp"

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
        documented_gauges{
            &gauge(r, "model_cache_models_total", "Total number of models"),
            &gauge(r, "model_cache_models_cached", "Cached models count"),
            &gauge(r, "model_cache_memory_usage_mb", "Memory usage in MB"),
            &gauge(r, "model_cache_memory_usage_percentage", "Memory usage percentage"),
            &gauge(r, "model_cache_hit_rate", "Cache hit rate"),
            &gauge(r, "model_cache_inference_time_ms", "Average inference time in milliseconds"),
        },
        documented_counters{
            &counter(r, "model_cache_inferences_total", "Total number of inferences"),
            &counter(r, "model_cache_cache_hits_total", "Total cache hits"),
            &counter(r, "model_cache_cache_misses_total", "Total cache misses"),
            &counter(r, "model_cache_cleanup_events_total", "Total cleanup events"),
            &counter(r, "model_cache_memory_cleanup_mb", "Total memory cleaned up in MB"),
        },
        memory{
            &gauge(r, "troupe_memory_used_bytes", "The ledger: mappings once, private bytes, reservations, draining"),
            &gauge(r, "troupe_memory_reserved_bytes", "Reserved for loads in flight"),
            &gauge(r, "troupe_memory_draining_bytes", "Unloaded, not yet back"),
            &gauge(r, "troupe_memory_budget_bytes", "The hard limit that a load must fit under"),
            &gauge(r, "troupe_in_flight_items", "Items admitted and not yet answered"),
            &gauge(r, "troupe_load_waiters", "Requests waiting for a load"),
            &gauge(r, "troupe_compute_slots", "Compute slots"),
            &gauge(r, "troupe_compute_slots_busy", "Compute slots that run a batch"),
            &gauge(r, "troupe_ready", "1 when /health/ready answers 200"),
            &gauge(r, "troupe_prediction_cache_hits", "Answers from the prediction cache"),
            &gauge(r, "troupe_prediction_cache_bytes", "What the prediction cache holds"),
        } {}

  static prometheus::Gauge& gauge(prometheus::Registry& r, const char* name, const char* help) {
    return family(r, prometheus::BuildGauge(), name, help).Add({});
  }
  static prometheus::Counter& counter(prometheus::Registry& r, const char* name, const char* help) {
    return family(r, prometheus::BuildCounter(), name, help).Add({});
  }

 public:
  std::shared_ptr<prometheus::Registry> registry;
  prometheus::Family<Histogram>&end_to_end, &queue, &prepare, &infer, &load, &batch_items, &batch_cost;
  prometheus::Family<prometheus::Gauge>&queue_depth, &instances;
  prometheus::Family<prometheus::Counter>&evictions, &restarts, &expired, &rejected, &failed;
  std::vector<prometheus::Gauge*> documented_gauges;
  std::vector<prometheus::Counter*> documented_counters;
  std::vector<prometheus::Gauge*> memory;
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
  constexpr double mib = 1048576.0;
  auto& f = *families_;
  const std::lock_guard lock(f.mutex);
  double cached = 0;
  std::unordered_map<std::string_view, const model_report*> resident;
  for (const auto& m : r.models) {
    if (m.state != residency::resident) continue;
    ++cached;
    resident.emplace(m.registration.name, &m);
  }
  for (const auto& [name, m] : f.models) {
    if (!m.kept) continue;
    const auto found = resident.find(name);
    m.kept->instances.Set(found == resident.end() ? 0 : found->second->instances);
    m.kept->queue_items.Set(found == resident.end() ? 0 : found->second->queue_items);
  }
  const auto used = static_cast<double>(r.memory.used_bytes);
  const double gauges[] = {static_cast<double>(r.models.size()),
                           cached,
                           used / mib,
                           r.memory.total_bytes ? 100.0 * used / static_cast<double>(r.memory.total_bytes) : 0,
                           r.totals.hit_rate(),
                           r.totals.avg_inference_time_ms};
  for (std::size_t i = 0; i < std::size(gauges); ++i) f.documented_gauges[i]->Set(gauges[i]);
  const double counters[] = {static_cast<double>(r.totals.inferences), static_cast<double>(r.totals.cache_hits),
                             static_cast<double>(r.totals.cache_misses), static_cast<double>(r.cleanups.cleanups),
                             static_cast<double>(r.cleanups.bytes_freed) / mib};
  for (std::size_t i = 0; i < std::size(counters); ++i)
    if (const auto more = counters[i] - f.documented_counters[i]->Value(); more > 0) f.documented_counters[i]->Increment(more);
  const double memory[] = {used,
                           static_cast<double>(r.memory.reserved_bytes),
                           static_cast<double>(r.memory.draining_bytes),
                           static_cast<double>(r.memory.budget_bytes),
                           static_cast<double>(r.in_flight_items),
                           static_cast<double>(r.load_waiters),
                           static_cast<double>(r.compute_slots),
                           static_cast<double>(r.busy_slots),
                           r.ready ? 1.0 : 0.0,
                           static_cast<double>(r.totals.prediction_cache_hits),
                           static_cast<double>(cache::prediction_cache::shared().size_bytes())};
  for (std::size_t i = 0; i < std::size(memory); ++i) f.memory[i]->Set(memory[i]);
}

}  // namespace troupe::actors
