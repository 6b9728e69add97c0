#include "actors/residency/eviction.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using config::priority;
using std::chrono::seconds;
const steady_time t0{seconds(1000)};

eviction_candidate one(std::string name, std::uint64_t size, priority p, int used_s) {
  eviction_candidate c;
  c.model = std::move(name);
  c.size_bytes = size;
  c.priority = p;
  c.last_used = t0 + seconds(used_s);
  c.loaded_at = t0 - seconds(100);
  return c;
}

eviction_rules rules() {
  eviction_rules r;
  r.now = t0 + seconds(60);
  return r;
}

using names = std::vector<std::string>;

TEST(Eviction, LeastRecentlyUsedGoesFirst) {
  const auto plan = plan_eviction(
      {one("a", 10, priority::medium, 3), one("b", 10, priority::medium, 1), one("c", 10, priority::medium, 2)},
      {15, 0}, rules());
  EXPECT_TRUE(plan.enough);
  EXPECT_EQ(plan.idle, (names{"b", "c"}));
}

TEST(Eviction, LowPriorityGoesBeforeLeastRecentlyUsed) {
  const auto plan = plan_eviction(
      {one("old", 10, priority::high, 1), one("new", 10, priority::low, 9), one("mid", 10, priority::medium, 0)},
      {10, 0}, rules());
  EXPECT_EQ(plan.idle, names{"new"});
}

TEST(Eviction, OnlyAsManyAsAreNeeded) {
  // The small one comes first in the order, but the big one alone is enough: the small one stays.
  const auto plan =
      plan_eviction({one("small", 5, priority::low, 1), one("big", 50, priority::low, 2)}, {40, 0}, rules());
  EXPECT_TRUE(plan.enough);
  EXPECT_EQ(plan.idle, names{"big"});
}

TEST(Eviction, PinnedIsNeverTaken) {
  auto a = one("a", 100, priority::low, 0);
  a.pinned = true;
  auto plan = plan_eviction({a, one("b", 10, priority::high, 5)}, {10, 0}, rules());
  EXPECT_EQ(plan.idle, names{"b"});
  plan = plan_eviction({a, one("b", 10, priority::high, 5)}, {11, 0}, rules());
  EXPECT_TRUE(plan.hopeless);
  EXPECT_TRUE(plan.idle.empty());
}

TEST(Eviction, BusyIsSparedUntilWaitingWasLongEnough) {
  auto a = one("a", 10, priority::low, 0);
  a.busy = true;
  auto r = rules();
  EXPECT_FALSE(plan_eviction({a}, {10, 0}, r).enough);
  r.take_busy = true;
  const auto plan = plan_eviction({a, one("b", 4, priority::high, 9)}, {12, 0}, r);
  EXPECT_TRUE(plan.enough);
  EXPECT_EQ(plan.idle, names{"b"});
  EXPECT_EQ(plan.drain, names{"a"});
}

TEST(Eviction, JustLoadedIsSparedAndTheMomentIsTold) {
  auto a = one("a", 10, priority::low, 0);
  auto r = rules();
  a.loaded_at = r.now - std::chrono::milliseconds(400);
  const auto plan = plan_eviction({a}, {10, 0}, r);
  EXPECT_FALSE(plan.enough);
  EXPECT_FALSE(plan.hopeless);
  EXPECT_EQ(plan.retry_at, r.now + std::chrono::milliseconds(600));
}

TEST(Eviction, AJustLoadedOneIsNotSparedAtTheCostOfOneThatIsUsedMore) {
  auto spared = one("spared", 10, priority::medium, 59);
  auto r = rules();
  spared.loaded_at = r.now - std::chrono::milliseconds(400);
  const auto used_since = one("used", 10, priority::medium, 60);
  const auto matters_more = one("high", 10, priority::high, 0);
  auto plan = plan_eviction({spared, used_since, matters_more}, {10, 0}, r);
  EXPECT_FALSE(plan.enough);
  EXPECT_TRUE(plan.idle.empty());
  EXPECT_EQ(plan.retry_at, r.now + std::chrono::milliseconds(600));
  const auto older = one("older", 10, priority::medium, 1);
  plan = plan_eviction({spared, used_since, older}, {10, 0}, r);
  EXPECT_EQ(plan.idle, names{"older"});
  r.now += std::chrono::milliseconds(600);
  EXPECT_EQ(plan_eviction({spared, used_since}, {10, 0}, r).idle, names{"spared"});
}

TEST(Eviction, AsFarAsItGoesWhereTheNeedCannotBeCovered) {
  auto r = rules();
  const auto all = std::vector{one("a", 10, priority::low, 0), one("b", 10, priority::low, 1)};
  EXPECT_TRUE(plan_eviction(all, {30, 0}, r).idle.empty());
  r.as_far_as_it_goes = true;
  const auto plan = plan_eviction(all, {30, 0}, r);
  EXPECT_FALSE(plan.enough);
  EXPECT_EQ(plan.idle, (names{"a", "b"}));
}

TEST(Eviction, CountNeedsModelsWhateverTheirSize) {
  const auto plan = plan_eviction({one("a", 0, priority::low, 1), one("b", 0, priority::low, 2)}, {0, 1}, rules());
  EXPECT_TRUE(plan.enough);
  EXPECT_EQ(plan.idle, names{"a"});
}

TEST(Eviction, WhatGivesNothingBackStays) {
  const auto plan =
      plan_eviction({one("shared", 0, priority::low, 1), one("b", 10, priority::low, 2)}, {10, 0}, rules());
  EXPECT_EQ(plan.idle, names{"b"});
}

}  // namespace
}  // namespace troupe::actors
