#pragma once
// All metrics of the actors. Handles are resolved once; the hot path only increments and observes.
// Thread-safe. Document 001's names are kept as they are; the rest are `troupe_*`. A model's series are there from its
// first load until it has left the registry and nobody holds its handles any more; an unloaded model's counters stay,
// its gauges read 0.

#include <memory>
#include <string>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "actors/protocol/reports.hpp"

namespace troupe::actors {

// Handles of one model. Good for as long as they are held, whatever becomes of the model or of `metrics`.
struct model_metrics {
  prometheus::Histogram& end_to_end_s;  // admission to last write
  prometheus::Histogram& queue_s;
  prometheus::Histogram& prepare_s;
  prometheus::Histogram& infer_s;  // one batch
  prometheus::Histogram& load_s;
  prometheus::Histogram& batch_items;
  prometheus::Histogram& batch_cost;
  prometheus::Gauge& queue_items;
  prometheus::Gauge& instances;
  prometheus::Counter& evictions;
  prometheus::Counter& restarts;
  prometheus::Counter& expired;   // deadline passed: 504
  prometheus::Counter& rejected;  // queue full or hopeless: 429
  prometheus::Counter& failed;    // the model threw
};
using model_metrics_ptr = std::shared_ptr<model_metrics>;

class metrics {
 public:
  metrics();
  ~metrics();
  metrics(const metrics&) = delete;
  metrics& operator=(const metrics&) = delete;
  prometheus::Registry& registry() noexcept { return *registry_; }
  // Makes the model's series where they are not there; kept until forget(). A name that comes back while somebody still
  // holds its old handles gets those, and its counters go on.
  model_metrics_ptr for_model(const std::string& name);
  // The model has left the registry: its series go with the last of its handles.
  void forget(const std::string& name);
  // Document 001's gauges and counters and the models' gauges, from a report; called when the metrics are scraped.
  void update(const server_report& report);

  prometheus::Histogram& eviction_age_s;   // since the evicted model was loaded
  prometheus::Histogram& eviction_idle_s;  // since it was last used
  prometheus::Histogram& miss_wait_s;      // what a request waited for a load
  prometheus::Histogram& load_queue_s;     // what a load waited for memory and a loader
  prometheus::Counter& load_failures;
  prometheus::Counter& slots_replaced;
  prometheus::Counter& admission_rejected;
  prometheus::Counter& cancelled;

 private:
  explicit metrics(std::shared_ptr<prometheus::Registry> registry);
  struct families;
  std::shared_ptr<prometheus::Registry> registry_;
  std::shared_ptr<families> families_;
};

}  // namespace troupe::actors
