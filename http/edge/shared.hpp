#pragma once
// What all connections of a server share: limits, counters, the handler. Outlives every connection.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "config/settings.hpp"
#include "http/core/exchange.hpp"
#include "http/edge/framer.hpp"

namespace prometheus {
class Counter;
class Gauge;
class Registry;
template <typename T>
class Family;
}  // namespace prometheus

namespace troupe::http::edge {

struct metrics {
  explicit metrics(prometheus::Registry& registry);
  void refused(unsigned status);
  void closed(const char* reason);

  prometheus::Gauge& connections;
  prometheus::Counter& accepted;
  prometheus::Counter& accept_pauses;
  prometheus::Gauge& body_bytes;
  prometheus::Gauge& exchanges;

 private:
  prometheus::Family<prometheus::Counter>& refused_;
  prometheus::Family<prometheus::Counter>& closed_;
};

// Of connections that stay (live_connection.hpp).
struct live_limits {
  std::size_t message_max_bytes = 0;         // of one that a client sends
  std::size_t unsent_max_bytes = 0;          // more makes a client a slow reader
  std::chrono::milliseconds idle_timeout{};  // without a byte, pongs included; asked for one after half of it
};

struct shared {
  shared(const config::settings& settings, handler on_request,
         std::function<std::uint64_t(std::string_view, std::string_view)> limit_for, prometheus::Registry& registry);

  handler on_request;
  body_budget budget;
  framer_limits limits;
  live_limits live;
  std::chrono::milliseconds read_timeout;  // a whole request; an idle connection
  std::chrono::milliseconds handshake_timeout;
  std::chrono::milliseconds stall_timeout;   // a client that does not take its answer
  std::chrono::milliseconds handle_timeout;  // RESTinio's, above every deadline
  std::chrono::milliseconds sweep_period;
  std::size_t stream_credit_bytes;
  std::uint32_t max_pipelined_requests;
  std::uint32_t max_connections;
  std::atomic<bool> draining{false};
  metrics counts;

  // Connections, those included that linger after their last answer.
  void connection_opened();
  void connection_closed();
  bool may_accept() const { return open_connections.load(std::memory_order_relaxed) < max_connections; }
  std::atomic<std::uint32_t> open_connections{0};
  std::atomic<bool> accept_paused{false};
  std::mutex resume_mutex;
  std::function<void()> resume_accepting;  // guarded by resume_mutex; empty once stopped
};

// One connection's place among max_connections.
class connection_slot {
 public:
  explicit connection_slot(std::shared_ptr<shared> s) : shared_(std::move(s)) { shared_->connection_opened(); }
  connection_slot(connection_slot&&) = default;
  connection_slot& operator=(connection_slot&&) = delete;
  ~connection_slot() {
    if (shared_) shared_->connection_closed();
  }

 private:
  std::shared_ptr<shared> shared_;
};

}  // namespace troupe::http::edge
