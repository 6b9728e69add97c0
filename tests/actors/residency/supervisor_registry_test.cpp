// The registry changes, also while something is under way.

#include "tests/actors/residency/supervisor_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
using config::priority;

TEST_F(Supervisor, TheRegistryChangesWithoutTouchingWhatStays) {
  add("stays");
  add("goes");
  start();
  load_model("stays");
  load_model("goes");
  auto kept = entry("stays")->current.load();
  registry.models.erase("goes");
  add("comes");
  change_registry();
  EXPECT_EQ(entry("stays")->current.load(), kept);
  EXPECT_EQ(world->routes->load()->models.count("goes"), 0u);
  EXPECT_TRUE(load_model("comes").get());
  EXPECT_EQ(report().memory.used_bytes, 20 * mb);
}

TEST_F(Supervisor, TheDefaultModelFollowsTheRegistry) {
  add("a");
  add("b").preload = true;
  add("c").preload = true;
  start();
  EXPECT_EQ(world->routes->load()->default_model, "b");
  registry.models.erase("b");
  change_registry();
  EXPECT_EQ(world->routes->load()->default_model, "c");
  registry.models.erase("c");
  change_registry();
  EXPECT_EQ(world->routes->load()->default_model, "a");
}

TEST_F(Supervisor, WhatOnlyTheServerFollowsReloadsNothing) {
  add("a").priority = priority::low;
  start();
  load_model("a");
  const auto* first = entry("a")->current.load().get();
  registry.models["a"].priority = priority::high;
  registry.models["a"].description = "the same";
  registry.models["a"].pinned = true;
  load_at_once = false;
  change_registry();
  EXPECT_TRUE(loads.empty());
  EXPECT_EQ(entry("a")->current.load().get(), first);
  EXPECT_EQ(report("a").priority, priority::high);
  EXPECT_TRUE(load_model("a").get()->already);
}

TEST_F(Supervisor, ALoadForAnOldRegistrationIsStartedOver) {
  add("a").max_length = 8;
  load_at_once = false;
  start();
  auto first = load_model("a");
  auto asked = request("a");
  change_length("a", 16);
  auto second = load_model("a");
  ASSERT_EQ(loads.size(), 2u);
  EXPECT_TRUE(loads[0].order->cancelled->load());
  EXPECT_EQ(loads[1].order->spec.max_length, 16u);
  end_load();  // it was too late to call it off
  EXPECT_EQ(served_length("a"), -1);
  EXPECT_FALSE(first.here());
  end_load();
  EXPECT_EQ(served_length("a"), 16);
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get());
  EXPECT_EQ(dispatched.size(), 1u);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
}

TEST_F(Supervisor, SoIsOneThatIsBeingEstimated) {
  add("a").max_length = 8;
  estimate_at_once = false;
  start();
  auto l = load_model("a");
  change_length("a", 16);
  ASSERT_EQ(estimates.size(), 2u);
  end_estimate();
  EXPECT_FALSE(l.here());
  end_estimate();
  EXPECT_TRUE(l.get());
  EXPECT_EQ(served_length("a"), 16);
}

TEST_F(Supervisor, SoIsOneThatWaitsForMemoryOrForItsBackOff) {
  add("big", 60 * mb);
  add("a", 60 * mb).max_length = 8;
  start();
  load_model("big");
  auto l = load_model("a");  // big was just loaded
  EXPECT_FALSE(l.here());
  change_length("a", 16);
  time.pass(2s);
  EXPECT_TRUE(l.get());
  EXPECT_EQ(served_length("a"), 16);

  crash("a");
  change_length("a", 24);
  EXPECT_EQ(served_length("a"), 24) << "nothing is known against the new registration: no back-off";
  EXPECT_EQ(report().memory.used_bytes, 60 * mb);
}

TEST_F(Supervisor, AReloadThatIsOvertakenByAnotherChangeIsStartedOver) {
  add("a").max_length = 8;
  start();
  load_model("a");
  load_at_once = false;
  change_length("a", 16);
  change_length("a", 24);
  ASSERT_EQ(loads.size(), 2u);
  end_load();
  EXPECT_EQ(served_length("a"), 8) << "the old one serves until the last word is there";
  end_load();
  EXPECT_EQ(served_length("a"), 24);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
}

TEST_F(Supervisor, AChangeThatIsTakenBackLeavesWhatIsResident) {
  add("a").max_length = 8;
  start();
  load_model("a");
  const auto* first = entry("a")->current.load().get();
  load_at_once = false;
  change_length("a", 16);
  auto l = load_model("a");
  EXPECT_FALSE(l.here()) << "what is resident is not what the registry says";
  change_length("a", 8);
  EXPECT_TRUE(l.get()->already);
  end_load();
  EXPECT_EQ(entry("a")->current.load().get(), first);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
}

TEST_F(Supervisor, LoadsUnderAChangedRegistryJoinTheReload) {
  add("a").max_length = 8;
  start();
  load_model("a");
  load_at_once = false;
  change_length("a", 16);
  auto one = load_model("a"), two = load_model("a");
  EXPECT_EQ(loads.size(), 1u);
  EXPECT_FALSE(one.here());
  end_load();
  EXPECT_FALSE(one.get()->already);
  EXPECT_FALSE(two.get()->already);
  EXPECT_TRUE(load_model("a").get()->already);
}

TEST_F(Supervisor, ARegistrationThatIsMendedHasNotFailed) {
  add("a").max_length = 8;
  load_at_once = false;
  start();
  load_model("a");
  fail_load("no");
  EXPECT_EQ(report("a").state, residency::failed);
  registry.models["a"].description = "broken";
  change_registry();
  EXPECT_EQ(report("a").last_error, "no");
  change_length("a", 16);
  EXPECT_EQ(report("a").state, residency::unloaded);
}

TEST_F(Supervisor, AfterAFailedReloadALoadTriesAgain) {
  add("a").max_length = 8;
  start();
  load_model("a");
  load_at_once = false;
  change_length("a", 16);
  fail_load("no");
  EXPECT_EQ(served_length("a"), 8);
  auto again = load_model("a");
  ASSERT_EQ(loads.size(), 1u);
  end_load();
  EXPECT_FALSE(again.get()->already);
  EXPECT_EQ(served_length("a"), 16);
}

TEST_F(Supervisor, RemovedAndBackAgainIsAnotherModel) {
  add("a").max_length = 8;
  load_at_once = false;
  start();
  auto l = load_model("a");
  const auto kept = registry.models;
  registry.models.clear();
  change_registry();
  EXPECT_EQ(l.get().error().code, error_code::model_not_found);
  registry.models = kept;
  change_length("a", 16);
  auto again = load_model("a");
  end_load();
  EXPECT_FALSE(again.here());
  end_load();
  EXPECT_TRUE(again.get());
  EXPECT_EQ(served_length("a"), 16);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
}

}  // namespace
}  // namespace troupe::actors
