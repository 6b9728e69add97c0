#pragma once
// `troupe bench`: keep-alive connections on one thread (epoll), some microseconds of CPU a request, so that it
// may share a machine with what it measures. Closed loop: each connection sends its next request when it has its
// answer. Open loop (`rate`): requests are due at fixed times and waiting for a connection counts, so that a
// server that stalls does not hide it.

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/error.hpp"

namespace troupe::app {

struct load_plan {
  std::string url = "http://127.0.0.1:8000";  // a path of its own is asked as it is; without one, /predict
  std::vector<std::string> texts;             // sent in turn as {"text": ..}; with a path and none: GET
  std::string body;                           // sent as it is, instead of texts
  std::string model;                          // model_name
  std::vector<std::string> headers;           // "Cache-Control: no-cache"
  std::uint32_t concurrency = 16;
  std::uint64_t requests = 0;                 // 0: until `seconds` are over
  double seconds = 0;                         // 0: until `requests` are answered; both 0: 10 s
  double warmup_seconds = 0;                  // at the start, not counted
  double rate = 0;                            // requests a second; 0: closed loop
  double timeout_seconds = 30;                // of one request
  bool allow_remote = false;                  // else loopback addresses only
};

// Times in buckets of at most 0.4 % width, from 1 ns to hours.
class latency_histogram {
 public:
  void record(std::chrono::nanoseconds time) noexcept;
  std::uint64_t count() const noexcept { return count_; }
  double mean_ms() const noexcept;
  double max_ms() const noexcept;
  double percentile_ms(double p) const noexcept;  // 0 < p <= 100; 0 where nothing was recorded

 private:
  static constexpr unsigned sub_bits = 8;
  std::array<std::uint64_t, (64 - sub_bits + 1) << sub_bits> buckets_{};
  std::uint64_t count_ = 0, max_ns_ = 0;
  double sum_ns_ = 0;
};

struct load_result {
  latency_histogram latency;                      // of the answers 2xx
  std::map<unsigned, std::uint64_t> by_status;    // all answers
  std::map<std::string, std::uint64_t> failures;  // no answer: "closed", "timeout", "connect", "malformed"
  std::uint64_t reconnects = 0;                   // the server closed an idle connection
  double seconds = 0;                             // measured, without the warm-up
  double longest_wait_ms = 0;                     // of any connection, unanswered requests included
  double client_cpu_us = 0;                       // of this program, a request
  std::uint64_t answered() const noexcept;
  std::uint64_t failed() const noexcept;          // other statuses than 2xx, and failures
  double per_second() const noexcept { return seconds > 0 ? static_cast<double>(latency.count()) / seconds : 0; }
};

// Errors are bad plans and an address that does not answer at all.
result<load_result> generate_load(const load_plan& plan);

std::string to_json(const load_plan& plan, const load_result& r);
std::string to_text(const load_plan& plan, const load_result& r);

}  // namespace troupe::app
