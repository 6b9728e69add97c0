// Document 001's metrics, as they are scraped.

#include "actors/metrics.hpp"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "actors/gateway.hpp"
#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

std::string scrape(metrics& m) { return prometheus::TextSerializer().Serialize(m.registry().Collect()); }

void expect_line(const std::string& text, const std::string& line) {
  EXPECT_NE(text.find(line + "\n"), std::string::npos) << line;
}

server_report some_report() {
  server_report r;
  r.models.resize(4);
  r.models[1].state = residency::resident;
  r.memory.used_bytes = 3 << 20;
  r.memory.total_bytes = 4096ull << 20;
  r.totals.inferences = 8;
  r.totals.cache_hits = 9;
  r.totals.cache_misses = 1;
  r.totals.avg_inference_time_ms = 1.5;
  r.cleanups = {2, 5 << 20, 3, {}};
  return r;
}

TEST(Metrics, TheDocumentsNamesTypesAndValues) {
  metrics m;
  m.update(some_report());
  const auto text = scrape(m);
  for (const char* line : {
           "# HELP model_cache_models_total Total number of models",
           "# TYPE model_cache_models_total gauge",
           "model_cache_models_total 4",
           "# TYPE model_cache_models_cached gauge",
           "model_cache_models_cached 1",
           "# TYPE model_cache_memory_usage_mb gauge",
           "model_cache_memory_usage_mb 3",
           "# TYPE model_cache_memory_usage_percentage gauge",
           "# TYPE model_cache_hit_rate gauge",
           "model_cache_hit_rate 0.9",
           "model_cache_inference_time_ms 1.5",
           "# TYPE model_cache_inferences_total counter",
           "model_cache_inferences_total 8",
           "model_cache_cache_hits_total 9",
           "model_cache_cache_misses_total 1",
           "model_cache_cleanup_events_total 2",
           "model_cache_memory_cleanup_mb 5",
       })
    expect_line(text, line);
}

TEST(Metrics, CountersFollowTheReportsAndNeverFall) {
  metrics m;
  auto r = some_report();
  m.update(r);
  r.totals.inferences = 10;
  r.cleanups.cleanups = 1;
  m.update(r);
  expect_line(scrape(m), "model_cache_inferences_total 10");
  expect_line(scrape(m), "model_cache_cleanup_events_total 2");
}

TEST(Metrics, AClientThatLeavesIsCountedOnce) {
  auto m = std::make_shared<metrics>();
  auto made = testing::make_job();
  const cancel_handle leave(made.job, {m, &m->cancelled});
  leave();
  leave();
  auto answered = testing::make_job();
  answered.job->fail({error_code::internal, "x", {}, {}});
  cancel_handle(answered.job, {m, &m->cancelled})();
  expect_line(scrape(*m), "troupe_cancelled_total 1");
}

}  // namespace
}  // namespace troupe::actors
