// Document 001's metrics, as they are scraped.

#include "actors/protocol/metrics.hpp"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <thread>

#include "actors/serving/gateway.hpp"
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

TEST(Metrics, RegisteredModelsByOrigin) {
  metrics m;
  auto r = some_report();
  r.models[1].registration.origin = config::origin::run_time;
  m.update(r);
  expect_line(scrape(m), "troupe_registered_models{origin=\"models_file\"} 3");
  expect_line(scrape(m), "troupe_registered_models{origin=\"run_time\"} 1");
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

// -- one model's series ---------------------------------------------------------------------------------------

bool has(metrics& m, const std::string& text) { return scrape(m).find(text) != std::string::npos; }

TEST(Metrics, AModelsGaugesFollowTheReport) {
  metrics m;
  const auto a = m.for_model("a");
  a->instances.Set(1);  // as its actor left it
  a->queue_items.Set(3);
  a->failed.Increment();
  auto r = some_report();
  r.models[1].registration.name.assign(1, 'b');
  m.update(r);
  expect_line(scrape(m), "troupe_model_instances{model=\"a\"} 0");
  expect_line(scrape(m), "troupe_queue_items{model=\"a\"} 0");
  expect_line(scrape(m), "troupe_failed_total{model=\"a\"} 1");
  r.models[1].registration.name.assign(1, 'a');
  r.models[1].instances = 2;
  r.models[1].queue_items = 5;
  m.update(r);
  expect_line(scrape(m), "troupe_model_instances{model=\"a\"} 2");
  expect_line(scrape(m), "troupe_queue_items{model=\"a\"} 5");
}

TEST(Metrics, ARemovedModelsSeriesGoWithTheLastOfItsHandles) {
  metrics m;
  auto in_flight = m.for_model("a");
  m.for_model("b");
  m.forget("a");
  m.forget("a");
  in_flight->infer_s.Observe(1);  // a batch that still runs
  EXPECT_TRUE(has(m, "{model=\"a\""));
  in_flight.reset();
  EXPECT_FALSE(has(m, "{model=\"a\""));
  EXPECT_TRUE(has(m, "{model=\"b\""));
  m.for_model("a");
  expect_line(scrape(m), "troupe_failed_total{model=\"a\"} 0");
}

TEST(Metrics, AModelThatComesBackWhileItsOldHandlesAreHeldGoesOnCounting) {
  metrics m;
  auto old = m.for_model("a");
  m.forget("a");
  const auto fresh = m.for_model("a");
  fresh->failed.Increment();
  old->failed.Increment();
  old.reset();
  fresh->failed.Increment();
  expect_line(scrape(m), "troupe_failed_total{model=\"a\"} 3");
}

TEST(Metrics, HandlesOutliveTheMetrics) {
  auto m = std::make_unique<metrics>();
  const auto held = m->for_model("a");
  m.reset();
  held->infer_s.Observe(1);
  held->failed.Increment();
  EXPECT_EQ(held->failed.Value(), 1);
}

TEST(Metrics, ForgettingAndComingBackAtOnceFromManyThreads) {
  metrics m;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        const auto held = m.for_model("a");
        held->failed.Increment();
        m.forget("a");
        held->infer_s.Observe(1);
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_FALSE(has(m, "{model=\"a\""));
}

}  // namespace
}  // namespace troupe::actors
