#include "actors/serving/warm_up.hpp"

#include <algorithm>
#include <cassert>

namespace troupe::actors {

warm_up::warm_up(const std::vector<inference::warm_bucket>& buckets, std::uint32_t requests_min, bool background,
                 steady_time now)
    : left_(buckets.begin(), buckets.end()), started_(now), background_(background) {
  if (buckets.empty()) return;
  left_.push_back(buckets.front());
  if (buckets.size() > 1) left_.push_back(buckets[buckets.size() / 2]);
  std::uint64_t rows = 0;
  for (const auto& b : left_) rows += b.items;
  for (std::size_t i = 0; rows < requests_min; ++i) {
    left_.push_back(buckets[i % buckets.size()]);
    rows += std::max(1u, left_.back().items);
  }
}

inference::warm_bucket warm_up::next() {
  assert(batch_waits() && failure_.empty() && !called_off_ && "W2");
  const auto bucket = left_.front();
  left_.pop_front();
  ++running_;
  return bucket;
}

void warm_up::ended(const inference::warm_bucket& bucket, std::chrono::microseconds took, const std::string& failure) {
  assert(running_ > 0 && "W1");
  --running_;
  requests_ += bucket.items;
  busy_ += took;
  if (!failure.empty()) {
    failure_ = failure;
    left_.clear();
  } else if (background_) {
    skip_long_buckets(std::uint64_t{bucket.items} * bucket.length, took);
  }
}

// A batch cannot be interrupted: nobody shall wait for one that was run for practice. A long one gains little from
// practice anyway (12x768: 5 to 50 ms). Looks at the next bucket only: the larger the batch that ran, the less it
// says too much of a larger one.
void warm_up::skip_long_buckets(std::uint64_t cost, std::chrono::microseconds took) {
  const auto per_cost =
      std::chrono::duration<double, std::micro>(took) / static_cast<double>(std::max<std::uint64_t>(1, cost));
  if (per_cost_.count() == 0 || per_cost < per_cost_) per_cost_ = per_cost;
  // A single row of cost 1 says next to nothing of many.
  const double doubt = cost == 1 ? 0.125 : 1;
  while (!left_.empty() && per_cost_ * doubt * static_cast<double>(left_.front().items * left_.front().length) >
                               background_batch_max)
    left_.pop_front();
}

std::chrono::microseconds warm_up::time(steady_time now) const {
  return std::chrono::duration_cast<std::chrono::microseconds>(now - started_);
}

warmup_report warm_up::report(const std::string& model, steady_time now) const {
  warmup_report r;
  r.model = model;
  r.requests = requests_;
  r.time_s = std::chrono::duration<double>(time(now)).count();
  r.avg_response_ms = requests_ ? static_cast<double>(busy_.count()) * 1e-3 / requests_ : 0;
  return r;
}

}  // namespace troupe::actors
