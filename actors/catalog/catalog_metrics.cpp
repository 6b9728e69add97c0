#include "actors/catalog/catalog_metrics.hpp"

#include "actors/protocol/metric_makers.hpp"

namespace troupe::actors {
namespace {

using prometheus::Labels;

const prometheus::Histogram::BucketBoundaries answer_buckets{1e-5, 2.5e-5, 5e-5,   1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3,
                                                             5e-3, 1e-2,   2.5e-2, 0.1,  0.25,   1,    5};
const prometheus::Histogram::BucketBoundaries sync_buckets{0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800};

double number_of(cache::redis_health h) {
  return h == cache::redis_health::off ? -1 : h == cache::redis_health::up ? 1 : 0;
}

}  // namespace

catalog_metrics::catalog_metrics(prometheus::Registry& r, const cache::cache_times& times)
    : waiting(gauge(r, "troupe_catalog_database_waiting", "Requests that wait for the catalog's database")),
      database_s(histograms(r, "troupe_catalog_database_seconds", "One reading of the catalog's database")
                     .Add({}, answer_buckets)),
      syncs_(counters(r, "troupe_catalog_syncs_total", "Syncs of providers, by how they ended")),
      sync_s_(histograms(r, "troupe_catalog_sync_seconds", "Syncs of providers")),
      local_hits_(counter(r, "troupe_catalog_local_hits_total", "Hits that memory answered")),
      stale_hits_(counter(r, "troupe_catalog_stale_hits_total", "Hits past their time, refreshed meanwhile")),
      errors_(counter(r, "model_cache_errors_total", "Failures of Redis")),
      too_large_(counter(r, "troupe_catalog_too_large_total", "Values too large to be cached")),
      local_evictions_(counter(r, "troupe_catalog_local_evictions_total", "Entries that left memory for others")),
      size_bytes_(gauge(r, "model_cache_size_bytes", "The catalog's cache in memory", {{"tier", "local"}})),
      entries_(gauge(r, "troupe_catalog_local_entries", "Entries of the catalog's cache in memory")),
      size_limit_bytes_(gauge(r, "troupe_catalog_local_limit_bytes", "model_cache_local_mb")),
      redis_up_(gauge(r, "troupe_catalog_redis_up", "1: Redis answers; 0: it is away; -1: there is none")),
      listener_up_(gauge(r, "troupe_catalog_redis_listener_up",
                         "1: Redis' invalidations are heard; 0: they are not; -1: there is no Redis")),
      database_up_(gauge(r, "troupe_catalog_database_up", "1: the catalog's database answered last")) {
  auto& hits = counters(r, "model_cache_hits_total", "Catalog answers from Redis or memory");
  auto& misses = counters(r, "model_cache_misses_total", "Catalog answers from the database");
  auto& sets = counters(r, "model_cache_sets_total", "Catalog answers that were cached");
  auto& invalidations = counters(r, "model_cache_invalidations_total", "Catalog entries that were invalidated");
  auto& ttl = gauges(r, "model_cache_ttl_seconds", "How long a catalog answer is fresh");
  for (std::size_t i = 0; i < cache::cache_kinds; ++i) {
    const auto kind = static_cast<cache::cache_kind>(i);
    const Labels of{{"cache", std::string(to_string(kind))}};
    hits_[i] = &hits.Add(of);
    misses_[i] = &misses.Add(of);
    sets_[i] = &sets.Add(of);
    invalidations_[i] = &invalidations.Add(of);
    ttl.Add(of).Set(static_cast<double>(times.ttl_s(kind)));
  }
  auto& answers = histograms(r, "troupe_catalog_answer_seconds", "Catalog answers, by who had them");
  for (const auto from : {answered_from::redis, answered_from::local, answered_from::database})
    answer_s_[static_cast<std::size_t>(from)] = &answers.Add({{"from", std::string(to_string(from))}}, answer_buckets);
}

void catalog_metrics::follow(const catalog_state& now) {
  for (std::size_t i = 0; i < cache::cache_kinds; ++i) {
    raise(*hits_[i], now.counts.hits[i]);
    raise(*misses_[i], now.counts.misses[i]);
    raise(*sets_[i], now.counts.sets[i]);
    raise(*invalidations_[i], now.counts.invalidations[i]);
  }
  raise(local_hits_, now.counts.local_hits);
  raise(stale_hits_, now.counts.stale_hits);
  raise(errors_, now.counts.errors);
  raise(too_large_, now.counts.too_large);
  raise(local_evictions_, now.counts.local_evictions);
  size_bytes_.Set(static_cast<double>(now.counts.local_bytes));
  entries_.Set(static_cast<double>(now.counts.local_entries));
  size_limit_bytes_.Set(static_cast<double>(now.counts.local_bytes_max));
  redis_up_.Set(number_of(now.redis));
  listener_up_.Set(number_of(now.listener));
  database_up_.Set(now.database_up ? 1 : 0);
}

void catalog_metrics::answered(answered_from from, double seconds) {
  answer_s_[static_cast<std::size_t>(from)]->Observe(seconds);
}

void catalog_metrics::synced(const sync_result& r) {
  syncs_.Add({{"provider", r.provider}, {"status", r.why ? "failed" : "completed"}}).Increment();
  sync_s_.Add({{"provider", r.provider}}, sync_buckets).Observe(r.duration_s);
}

}  // namespace troupe::actors
