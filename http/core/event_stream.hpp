#pragma once
// Server-sent events over one exchange, with heartbeats and a bound on what a slow reader may leave waiting. A client
// that has ended its side gets a heartbeat in each half second of silence: writing shows whether it still reads.
// Lives on the connection's thread: every call is made there (exchange::post).

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "http/core/exchange.hpp"

namespace troupe::http {

class event_stream : public std::enable_shared_from_this<event_stream> {
 public:
  struct limits {
    std::uint64_t credit_bytes = 262144;   // unflushed bytes before events are kept back
    std::uint64_t pending_bytes = 262144;  // kept back before the job is cancelled
    std::uint64_t heartbeat_ms = 10000;    // 0: none, but for a client that has ended its side
  };
  // `cancel` runs at most once: the reader is gone, or too slow.
  static std::shared_ptr<event_stream> start(exchange_ptr request, header_list headers, limits bounds,
                                             std::function<void()> cancel);

  // An unnamed event where `name` is empty. `data` is one line.
  void send(std::string_view name, std::string_view data);
  // Ends the stream once everything kept back is written. Later calls are ignored.
  void finish();
  bool open() const noexcept { return !finishing_ && !dead_; }

 private:
  event_stream(exchange_ptr request, header_list headers, limits bounds, std::function<void()> cancel);
  void push(std::string chunk);
  void flush();
  void wait_for_room();
  void drop();
  void schedule_step();
  void step();
  std::uint64_t step_ms() const;

  exchange_ptr request_;
  std::shared_ptr<body_stream> stream_;
  const limits limits_;
  std::function<void()> cancel_;
  std::deque<std::string> pending_;
  std::uint64_t pending_bytes_ = 0;
  std::uint64_t quiet_ms_ = 0;  // since the last event, in whole steps
  bool waiting_ = false, finishing_ = false, dead_ = false, sent_since_step_ = false;
};

}  // namespace troupe::http
