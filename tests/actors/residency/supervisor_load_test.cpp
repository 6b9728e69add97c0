// From a wish for a model to its being resident, and what goes wrong on the way.

#include "tests/actors/residency/supervisor_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

TEST_F(Supervisor, RequestsForOneModelShareOneLoad) {
  add("a");
  load_at_once = false;
  start();
  auto r1 = request("a"), r2 = request("a");
  auto l = load_model("a");
  EXPECT_EQ(loads.size(), 1u);
  EXPECT_FALSE(l.here());
  end_load();
  EXPECT_EQ(dispatched.size(), 2u);
  EXPECT_FALSE(l.get()->already);
  EXPECT_TRUE(load_model("a").get()->already);
  EXPECT_EQ(l.get()->memory_bytes, 10 * mb);
}

TEST_F(Supervisor, AWaiterExpiresOnTimeAndTheLoadGoesOn) {
  add("a");
  load_at_once = false;
  start();
  auto r = request("a", 100ms);
  auto l = load_model("a", 200);
  time.pass(100ms);
  ASSERT_TRUE(r.out->failure);
  EXPECT_EQ(r.out->failure->code, error_code::deadline_exceeded);
  EXPECT_EQ(world->meter->for_model("a")->expired.Value(), 1);
  time.pass(100ms);
  EXPECT_EQ(l.get().error().code, error_code::deadline_exceeded);
  end_load();
  EXPECT_EQ(resident(), names{"a"});
}

TEST_F(Supervisor, AFailedLoadAnswersItsWaitersAndOnlyThem) {
  add("bad");
  add("good");
  load_at_once = false;
  start();
  auto bad = request("bad");
  auto good = request("good");
  fail_load("model.safetensors is truncated");
  ASSERT_TRUE(bad.out->failure);
  EXPECT_EQ(bad.out->failure->message, "model.safetensors is truncated");
  EXPECT_FALSE(good.out->closed());
  end_load();
  EXPECT_EQ(dispatched.size(), 1u);
  EXPECT_EQ(report("bad").state, residency::failed);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
  auto again = request("bad");
  EXPECT_TRUE(again.out->failure) << "not tried again at once for every request";
}

TEST_F(Supervisor, ALoadNobodyWaitsForAnyMoreIsGivenUp) {
  add("a", 60 * mb).pinned = true;
  add("b", 30 * mb);
  add("c", 30 * mb);
  start();
  load_model("a");
  load_model("b");
  auto work = occupy("b");
  auto c = request("c", 200ms);
  time.pass(200ms);
  EXPECT_TRUE(c.out->failure);
  time.pass(10s);
  EXPECT_EQ(resident(), (names{"a", "b"})) << "b is not drained for a load that nobody wants";
  work.reset();
}

TEST_F(Supervisor, WaitersAreBounded) {
  add("a");
  world->settings.max_load_waiters = 2;
  load_at_once = false;
  start();
  auto r1 = request("a"), r2 = request("a"), r3 = request("a");
  ASSERT_TRUE(r3.out->failure);
  EXPECT_EQ(r3.out->failure->code, error_code::too_many_requests);
  end_load();
  EXPECT_EQ(dispatched.size(), 2u);
}

TEST_F(Supervisor, RequestsThatHaveEndedDoNotWaitForALoad) {
  add("a").preload = true;
  add("b");
  world->settings.max_load_waiters = 1;
  load_at_once = false;
  start();
  auto first = request("a", 100ms);
  time.pass(100ms);
  ASSERT_TRUE(first.out->failure);
  EXPECT_EQ(report().load_waiters, 0u);
  auto second = request("a");
  EXPECT_FALSE(second.out->failure);
  end_load();
}

TEST_F(Supervisor, ADeadModelActorIsRestartedWithBackOff) {
  add("a");
  start();
  load_model("a");
  for (const auto pause : {100ms, 200ms}) {
    crash("a");
    EXPECT_TRUE(resident().empty());
    auto waits = request("a");
    time.pass(pause - 1ms);
    EXPECT_TRUE(resident().empty());
    time.pass(1ms);
    EXPECT_EQ(resident(), names{"a"});
    EXPECT_FALSE(waits.out->failure);
  }
  EXPECT_EQ(report("a").restarts, 2u);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
}

TEST_F(Supervisor, AFailedPreloadIsTriedAgainUntilItIsThere) {
  add("a").preload = true;
  load_at_once = false;
  start();
  fail_load("no such folder");
  EXPECT_EQ(report("a").state, residency::failed);
  for (const auto pause : {100ms, 200ms, 400ms}) {
    auto meanwhile = request("a");
    ASSERT_TRUE(meanwhile.out->failure) << "not kept waiting for the next try";
    EXPECT_EQ(meanwhile.out->failure->detail, "no such folder");
    time.pass(pause - 1ms);
    EXPECT_TRUE(loads.empty());
    time.pass(1ms);
    ASSERT_EQ(loads.size(), 1u);
    EXPECT_EQ(report().state, health::degraded);
    EXPECT_EQ(report().missing.at(0).why, "no such folder");
    fail_load("no such folder");
  }
  time.pass(800ms);
  ASSERT_EQ(loads.size(), 1u);
  end_load();
  EXPECT_EQ(report().state, health::healthy);
  EXPECT_TRUE(report("a").last_error.empty());
}

TEST_F(Supervisor, WhoAsksInPersonDoesNotWaitForTheBackOff) {
  add("a").preload = true;
  load_at_once = false;
  start();
  for (int i = 0; i < 12; ++i) {
    fail_load("no");
    auto asked = load_model("a");
    ASSERT_EQ(loads.size(), 1u) << i;
    EXPECT_FALSE(asked.here());
  }
  fail_load("no");
  auto warm = warm_model("a");
  ASSERT_EQ(loads.size(), 1u);
  end_load();
  EXPECT_EQ(resident(), names{"a"});
}

TEST_F(Supervisor, WhatIsNoLongerPreloadedIsNotTriedAgain) {
  add("a").preload = true;
  load_at_once = false;
  start();
  fail_load("no");
  registry.models["a"].preload = false;
  change_registry();
  time.pass(60s);
  EXPECT_TRUE(loads.empty());
}

}  // namespace
}  // namespace troupe::actors
