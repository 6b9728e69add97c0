#include "actors/artifacts/artifact_metrics.hpp"

namespace troupe::actors {
namespace {

prometheus::Counter& counter(prometheus::Registry& r, const char* name, const char* help,
                             const prometheus::Labels& labels = {}) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(r).Add(labels);
}
prometheus::Gauge& gauge(prometheus::Registry& r, const char* name, const char* help,
                         const prometheus::Labels& labels = {}) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(r).Add(labels);
}
prometheus::Counter& ended(prometheus::Registry& r, const char* how) {
  return counter(r, "troupe_downloads_total", "Downloads that have ended, by how", {{"status", how}});
}

void follow(prometheus::Counter& c, std::uint64_t value) { c.Increment(static_cast<double>(value) - c.Value()); }

}  // namespace

artifact_metrics::artifact_metrics(prometheus::Registry& r)
    : completed(ended(r, "completed")),
      failed(ended(r, "failed")),
      cancelled(ended(r, "cancelled")),
      bytes(counter(r, "troupe_download_bytes_total", "Bytes that downloads have received")),
      retries(counter(r, "troupe_download_retries_total", "Transfers that were tried again")),
      stalls(counter(r, "troupe_download_stalls_total", "Transfers that stood still for too long")),
      hash_faults(counter(r, "troupe_download_hash_faults_total", "Files whose content was not what was told")),
      running(gauge(r, "troupe_downloads_running", "Downloads under way")),
      waiting(gauge(r, "troupe_downloads_waiting", "Downloads that wait for their turn")),
      store_bytes(gauge(r, "troupe_store_size_bytes", "Contents of the artifact store, each once")),
      ready_bytes(gauge(r, "troupe_store_ready_bytes", "Serving-ready copies in the artifact store")),
      partial_bytes(gauge(r, "troupe_store_partial_bytes", "Kept of downloads that have not ended well")),
      store_limit_bytes(gauge(r, "troupe_store_limit_bytes", "store_limit_gb; 0: none")),
      stored_models(gauge(r, "troupe_store_models", "Models in the artifact store")) {}

void artifact_metrics::take(const cache::transfer_counts& counts) {
  follow(bytes, counts.bytes);
  follow(retries, counts.retries);
  follow(stalls, counts.stalls);
  follow(hash_faults, counts.hash_faults);
}

}  // namespace troupe::actors
