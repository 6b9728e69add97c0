#pragma once
// What is measured of the catalog: document 004's names, and troupe's own. Made once; counters follow the tiers' counts
// when the metrics are collected (follow()), the rest is set as it happens. Thread-safe.

#include <array>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "actors/protocol/catalog.hpp"

namespace troupe::actors {

class catalog_metrics {
 public:
  explicit catalog_metrics(prometheus::Registry& registry, const cache::cache_times& times);
  void follow(const catalog_state& now);
  // From asking to the answer.
  void answered(answered_from from, double seconds);
  void synced(const sync_result& r);

  prometheus::Gauge& waiting;         // requests for the database
  prometheus::Histogram& database_s;  // one reading

 private:
  template <class T>
  using by_kind = std::array<T*, cache::cache_kinds>;

  prometheus::Family<prometheus::Counter>& syncs_;
  prometheus::Family<prometheus::Histogram>& sync_s_;
  by_kind<prometheus::Counter> hits_{}, misses_{}, sets_{}, invalidations_{};
  std::array<prometheus::Histogram*, 3> answer_s_{};  // by answered_from
  prometheus::Counter &local_hits_, &stale_hits_, &errors_, &too_large_, &local_evictions_;
  prometheus::Gauge &size_bytes_, &entries_, &size_limit_bytes_, &redis_up_, &listener_up_, &database_up_;
};

}  // namespace troupe::actors
