#include "actors/artifacts/artifact_metrics.hpp"

#include "actors/protocol/metric_makers.hpp"

namespace troupe::actors {
namespace {

prometheus::Counter& ended(prometheus::Registry& r, const char* how) {
  return counter(r, "troupe_downloads_total", "Downloads that have ended, by how", {{"status", how}});
}

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
  raise(bytes, counts.bytes);
  raise(retries, counts.retries);
  raise(stalls, counts.stalls);
  raise(hash_faults, counts.hash_faults);
}

}  // namespace troupe::actors
