// What is kept is looked at again, and replaced without an outage.

#include "tests/actors/residency/supervisor_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

TEST_F(Supervisor, APreloadedModelIsRevalidatedAndReplacedWithoutAnOutage) {
  auto& m = add("a");
  m.cache_ttl_s = 10;
  m.preload = true;
  start();
  ASSERT_EQ(resident(), names{"a"});
  auto first = entry("a")->current.load();
  time.pass(15s);
  EXPECT_EQ(entry("a")->current.load(), first) << "unchanged: nothing is loaded";
  artifacts["a"].fingerprint = "2";
  load_at_once = false;
  time.pass(15s);
  ASSERT_EQ(loads.size(), 1u);
  EXPECT_EQ(entry("a")->current.load(), first) << "the old one serves meanwhile";
  end_load();
  EXPECT_NE(entry("a")->current.load(), first);
  first.reset();
  time.settle();
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
}

TEST_F(Supervisor, AFailedReplacementLeavesTheOldOneServing) {
  auto& m = add("a");
  m.cache_ttl_s = 10;
  m.preload = true;
  start();
  artifacts["a"].fingerprint = "2";
  load_at_once = false;
  time.pass(12s);
  ASSERT_EQ(loads.size(), 1u);
  fail_load("truncated");
  EXPECT_EQ(resident(), names{"a"});
  EXPECT_EQ(report("a").last_error, "truncated");
}

TEST_F(Supervisor, ARevalidationWhoseModelHasCrashedLoadsItAgain) {
  auto& m = add("a");
  m.cache_ttl_s = 10;
  m.preload = true;
  start();
  estimate_at_once = false;
  time.pass(11s);
  ASSERT_EQ(estimates.size(), 1u);
  crash("a");
  auto waits = load_model("a");
  end_estimate();  // nothing has changed; but nothing is resident either
  EXPECT_EQ(resident(), names{"a"});
  EXPECT_TRUE(waits.here());
}

TEST_F(Supervisor, AGoodModelKeepsNoErrorOfAReplacementThatIsNoMore) {
  auto& m = add("a");
  m.cache_ttl_s = 10;
  m.preload = true;
  start();
  artifacts["a"].fingerprint = "2";
  load_at_once = false;
  time.pass(12s);
  ASSERT_EQ(loads.size(), 1u);
  fail_load("truncated");
  artifacts["a"].fingerprint = "1";  // as it was
  time.pass(12s);
  EXPECT_TRUE(loads.empty());
  EXPECT_EQ(report("a").last_error, "");
  unload_model("a");
  EXPECT_EQ(report().state, health::healthy) << "it comes back with its next request";
}

}  // namespace
}  // namespace troupe::actors
