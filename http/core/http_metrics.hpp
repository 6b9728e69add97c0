#pragma once
// How long requests take, by route, method and status class. A route's handles are found once; the hot path
// only observes.

#include <array>
#include <atomic>
#include <string>

#include "config/error.hpp"
#include "http/core/exchange.hpp"

namespace prometheus {
class Histogram;
class Registry;
template <class T>
class Family;
}  // namespace prometheus

namespace troupe::http {

class request_metrics;

// The histograms of one route; made by request_metrics, thread-safe.
class route_metrics {
 public:
  route_metrics(request_metrics& owner, std::string method, std::string route);
  void observe(unsigned status, steady_clock::duration took);

 private:
  request_metrics& owner_;
  const std::string method_, route_;
  std::array<std::atomic<prometheus::Histogram*>, 6> by_class_{};  // [status / 100], filled at first use
};

class request_metrics {
 public:
  explicit request_metrics(prometheus::Registry& registry);
  prometheus::Histogram& resolve(const std::string& method, const std::string& route, unsigned status_class);

 private:
  prometheus::Family<prometheus::Histogram>& family_;
};

// The same exchange, which tells `metrics` when it was answered, and to which only the first answer counts.
// `allow_origin`, where not empty, is the CORS origin that every answer allows.
exchange_ptr track(exchange_ptr inner, std::shared_ptr<route_metrics> metrics, steady_time started,
                   const std::string& allow_origin = {});

}  // namespace troupe::http
