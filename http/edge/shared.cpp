#include "http/edge/shared.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>

namespace troupe::http::edge {
namespace {

using std::chrono::milliseconds;

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

metrics::metrics(prometheus::Registry& registry)
    : connections(gauge(registry, "troupe_http_connections", "Open connections")),
      accepted(counter(registry, "troupe_http_connections_accepted_total", "Connections accepted")),
      accept_pauses(counter(registry, "troupe_http_accept_pauses_total",
                            "Times that accepting stopped because max_connections were open")),
      body_bytes(gauge(registry, "troupe_http_body_bytes", "Bytes of request bodies in memory")),
      exchanges(gauge(registry, "troupe_http_exchanges", "Requests not yet answered completely")),
      refused_(prometheus::BuildCounter()
                   .Name("troupe_http_refused_total")
                   .Help("Requests refused before any handler saw them, by status")
                   .Register(registry)),
      closed_(prometheus::BuildCounter()
                  .Name("troupe_http_connections_closed_total")
                  .Help("Connections closed by the server because of a limit, by reason")
                  .Register(registry)) {}

void metrics::refused(unsigned status) { refused_.Add({{"status", std::to_string(status)}}).Increment(); }
void metrics::closed(const char* reason) { closed_.Add({{"reason", reason}}).Increment(); }

shared::shared(const config::settings& settings, handler on_request_,
               std::function<std::uint64_t(std::string_view, std::string_view)> limit_for,
               prometheus::Registry& registry)
    : on_request(std::move(on_request_)),
      budget(settings.max_body_budget_mb * 1024 * 1024),
      live{settings.max_live_message_bytes, settings.max_live_unsent_bytes,
           std::chrono::milliseconds(settings.live_idle_timeout_ms)},
      read_timeout(settings.request_read_timeout_ms),
      handshake_timeout(std::min<std::uint64_t>(settings.request_read_timeout_ms, 10000)),
      stall_timeout(settings.request_read_timeout_ms),
      handle_timeout(std::max(settings.max_request_timeout_ms, settings.load_timeout_ms) + 30000),
      sweep_period(std::clamp<std::uint64_t>(settings.request_read_timeout_ms / 8, 5, 100)),
      stream_credit_bytes(settings.stream_credit_bytes),
      max_pipelined_requests(std::max<std::uint32_t>(settings.max_pipelined_requests, 2)),
      max_connections(std::max<std::uint32_t>(settings.max_connections, 1)),
      counts(registry) {
  limits.max_url_bytes = settings.max_url_bytes;
  limits.max_header_count = settings.max_header_count;
  limits.max_header_bytes = settings.max_header_bytes;
  limits.body_limit = std::move(limit_for);
  limits.budget = &budget;
}

void shared::connection_opened() {
  open_connections.fetch_add(1);
  counts.connections.Increment();
}

void shared::connection_closed() {
  open_connections.fetch_sub(1);
  counts.connections.Decrement();
  if (!accept_paused.load()) return;
  std::lock_guard lock(resume_mutex);
  if (resume_accepting) resume_accepting();
}

}  // namespace troupe::http::edge
