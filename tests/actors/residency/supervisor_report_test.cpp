// What the supervisor tells: health, priorities, gauges.

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "tests/actors/residency/supervisor_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
using config::priority;

TEST_F(Supervisor, HealthIsStartingUntilWhatIsPreloadedIsThereOrHasFailed) {
  for (const auto* m : {"a", "b", "other"}) add(m);
  registry.models["a"].preload = registry.models["b"].preload = true;
  load_at_once = false;
  start();
  EXPECT_EQ(report().state, health::starting);
  EXPECT_EQ(report().missing.size(), 2u);
  EXPECT_EQ(report().missing[0].name, "a");
  end_load();
  EXPECT_EQ(report().state, health::starting);
  EXPECT_FALSE(report().ready);
  fail_load("no such folder");
  EXPECT_EQ(report().state, health::degraded);
  EXPECT_FALSE(report().ready);
  ASSERT_EQ(report().missing.size(), 1u);
  EXPECT_EQ(report().missing[0].name, "b");
  EXPECT_EQ(report().missing[0].why, "no such folder");

  // A load of another model, and another try, make no start of it.
  load_model("other");
  load_model("b");
  EXPECT_EQ(report().state, health::degraded);
  end_load();
  EXPECT_EQ(report().state, health::degraded);
  end_load();
  EXPECT_EQ(report().state, health::healthy);
  EXPECT_TRUE(report().ready);
  EXPECT_TRUE(report().missing.empty());

  // What was there and was unloaded comes back with its next request.
  unload_model("b");
  EXPECT_EQ(report().state, health::healthy);
  load_model("b");
  EXPECT_EQ(report().state, health::healthy);
  end_load();
}

TEST_F(Supervisor, HealthAfterACalledOffPreload) {
  add("a").preload = true;
  load_at_once = false;
  start();
  EXPECT_EQ(report().state, health::starting);
  unload_model("a");
  time.pass(1s);
  EXPECT_EQ(report().state, health::healthy);
  end_load();
}

TEST_F(Supervisor, HealthTellsOfPreloadsTheRegistryDoesNotHave) {
  add("a");
  world->settings.preload_models = {"a", "typo"};
  world->settings.ready_when_degraded = true;
  start();
  const auto now = report();
  EXPECT_EQ(now.state, health::degraded);
  EXPECT_TRUE(now.ready) << "the settings allow it";
  ASSERT_EQ(now.missing.size(), 1u);
  EXPECT_EQ(now.missing[0].name, "typo");
  EXPECT_EQ(now.missing[0].why, "it is not in the registry");
  world->draining->store(true);
  EXPECT_EQ(report().state, health::draining);
  EXPECT_FALSE(report().ready);
}

TEST_F(Supervisor, HealthOfPreloadsThatARegistryChangeBrings) {
  add("a").preload = true;
  start();
  EXPECT_EQ(report().state, health::healthy);
  add("new").preload = true;
  load_at_once = false;
  change_registry();
  EXPECT_EQ(report().state, health::healthy) << "it loads beside what is served";
  fail_load("no such folder");
  EXPECT_EQ(report().state, health::degraded);
  registry.models.erase("new");
  change_registry();
  EXPECT_EQ(report().state, health::healthy);
}

TEST_F(Supervisor, DecayedUseMakesPriorities) {
  add("used");
  add("idle");
  start();
  load_model("used");
  load_model("idle");
  for (int i = 0; i < 20; ++i) use("used");
  time.pass(2s);
  EXPECT_EQ(report("used").priority, priority::high);
  EXPECT_EQ(report("idle").priority, priority::low);
  time.pass(2h);
  EXPECT_EQ(report("used").priority, priority::low);
}

TEST_F(Supervisor, GaugesOfAnUnloadedModelReadZeroAndARemovedModelsSeriesGo) {
  add("a");
  start();
  load_model("a");
  const auto scraped = [&](const std::string& series) {
    report();
    return prometheus::TextSerializer().Serialize(world->meter->registry().Collect()).find(series) != std::string::npos;
  };
  EXPECT_TRUE(scraped("troupe_model_instances{model=\"a\"} 1\n"));
  unload_model("a");
  EXPECT_TRUE(scraped("troupe_model_instances{model=\"a\"} 0\n"));
  registry.models.clear();
  change_registry();
  EXPECT_FALSE(scraped("{model=\"a\""));
}

}  // namespace
}  // namespace troupe::actors
