#pragma once
// Metrics by name and help, as the wings make theirs; and counters that follow what somebody else has counted.

#include <cstdint>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace troupe::actors {

inline prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& r, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(r);
}
inline prometheus::Counter& counter(prometheus::Registry& r, const char* name, const char* help,
                                    const prometheus::Labels& labels = {}) {
  return counters(r, name, help).Add(labels);
}
inline prometheus::Family<prometheus::Gauge>& gauges(prometheus::Registry& r, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(r);
}
inline prometheus::Gauge& gauge(prometheus::Registry& r, const char* name, const char* help,
                                const prometheus::Labels& labels = {}) {
  return gauges(r, name, help).Add(labels);
}
inline prometheus::Family<prometheus::Histogram>& histograms(prometheus::Registry& r, const char* name,
                                                             const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(r);
}

inline void raise(prometheus::Counter& c, std::uint64_t to) {
  if (const auto by = static_cast<double>(to) - c.Value(); by > 0) c.Increment(by);
}

}  // namespace troupe::actors
