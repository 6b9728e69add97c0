#include "http/core/http_metrics.hpp"
#include "http/core/forwarding_exchange.hpp"

#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <stdexcept>

namespace troupe::http {
namespace {

class tracked_exchange final : public forwarding_exchange {
 public:
  tracked_exchange(exchange_ptr inner, std::shared_ptr<route_metrics> metrics, steady_time started,
                   const std::string& allow_origin)
      : forwarding_exchange(std::move(inner)),
        metrics_(std::move(metrics)),
        started_(started),
        allow_origin_(allow_origin) {}
  ~tracked_exchange() override {
    // A stream's time ends here; so does that of a request that nobody answered.
    if (!observed_.exchange(true)) metrics_->observe(answered_ ? status_.load() : 503u, steady_clock::now() - started_);
  }

  void respond(response r) override {
    if (answered_.exchange(true)) return;
    observed_ = true;
    metrics_->observe(r.status, steady_clock::now() - started_);
    add_cors(r.headers);
    inner_->respond(std::move(r));
  }
  std::shared_ptr<body_stream> start_stream(unsigned status, std::string type, header_list headers) override {
    if (answered_.exchange(true)) throw std::logic_error("the request was answered already");
    status_ = status;
    add_cors(headers);
    return inner_->start_stream(status, std::move(type), std::move(headers));
  }

  result<void> upgrade(std::string subprotocol, std::shared_ptr<live_protocol> protocol) override {
    if (answered_.exchange(true)) return troupe::fail(error_code::internal, "the request was answered already");
    auto made = inner_->upgrade(std::move(subprotocol), std::move(protocol));
    answered_ = made.has_value();
    if (made && !observed_.exchange(true)) metrics_->observe(101, steady_clock::now() - started_);
    return made;
  }

 private:
  void add_cors(header_list& headers) const {
    if (allow_origin_.empty()) return;
    headers.emplace_back("Access-Control-Allow-Origin", allow_origin_);
    headers.emplace_back("Access-Control-Expose-Headers", "X-Request-Id, Server-Timing, Retry-After");
    if (allow_origin_ != "*") headers.emplace_back("Vary", "Origin");
  }

  const std::shared_ptr<route_metrics> metrics_;
  const steady_time started_;
  const std::string allow_origin_;
  std::atomic<bool> answered_{false}, observed_{false};
  std::atomic<unsigned> status_{200};
};

const prometheus::Histogram::BucketBoundaries& boundaries() {
  static const prometheus::Histogram::BucketBoundaries seconds{
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
  return seconds;
}

}  // namespace

route_metrics::route_metrics(request_metrics& owner, std::string method, std::string route)
    : owner_(owner), method_(std::move(method)), route_(std::move(route)) {}

void route_metrics::observe(unsigned status, steady_clock::duration took) {
  const unsigned status_class = std::clamp(status / 100, 1u, 5u);
  auto& slot = by_class_[status_class];
  auto* histogram = slot.load(std::memory_order_acquire);
  if (histogram == nullptr) {
    // The family gives the same object to everybody, so racing here is harmless.
    histogram = &owner_.resolve(method_, route_, status_class);
    slot.store(histogram, std::memory_order_release);
  }
  histogram->Observe(std::chrono::duration<double>(took).count());
}

request_metrics::request_metrics(prometheus::Registry& registry)
    : family_(prometheus::BuildHistogram()
                  .Name("troupe_http_request_duration_seconds")
                  .Help("Time from the request's dispatch to its answer")
                  .Register(registry)) {}

prometheus::Histogram& request_metrics::resolve(const std::string& method, const std::string& route,
                                                unsigned status_class) {
  return family_.Add({{"method", method}, {"route", route}, {"status", std::to_string(status_class) + "xx"}},
                     boundaries());
}

exchange_ptr track(exchange_ptr inner, std::shared_ptr<route_metrics> metrics, steady_time started,
                   const std::string& allow_origin) {
  return std::make_shared<tracked_exchange>(std::move(inner), std::move(metrics), started, allow_origin);
}

}  // namespace troupe::http
