#pragma once
// What is measured of artifacts. Made once, by make_service; gauges are set by the artifact keeper, counters of
// transfers when they are collected.

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include "cache/artifacts/transfer/transfers.hpp"

namespace troupe::actors {

struct artifact_metrics {
  explicit artifact_metrics(prometheus::Registry& registry);
  // Brings the counters up to what the transfers have counted.
  void take(const cache::transfer_counts& counts);

  prometheus::Counter &completed, &failed, &cancelled;
  prometheus::Counter &bytes, &retries, &stalls, &hash_faults;
  prometheus::Gauge &running, &waiting;
  prometheus::Gauge &store_bytes, &ready_bytes, &partial_bytes, &store_limit_bytes, &stored_models;
};

}  // namespace troupe::actors
