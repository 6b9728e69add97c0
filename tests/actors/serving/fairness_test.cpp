#include "actors/serving/fairness.hpp"

#include <map>

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;
using config::priority;

constexpr lease_id one{1}, two{2}, three{3};

slot_wish wish(lease_id m, priority p = priority::medium, bool background = false) { return {m, p, background}; }

// Serves `rounds` slots of 1 ms to models that always want one.
std::map<lease_id, int> serve(fair_queue& q, const std::map<lease_id, priority>& models, int rounds) {
  std::map<lease_id, int> served;
  for (const auto& [m, p] : models) q.push(wish(m, p));
  for (int i = 0; i < rounds; ++i) {
    const auto w = q.pop(1, 1, true);
    ++served[w->lease];
    q.charge(w->lease, w->priority, 1ms);
    q.push(wish(w->lease, w->priority));
  }
  return served;
}

TEST(FairQueue, EqualModelsShareEqually) {
  fair_queue q;
  const auto served = serve(q, {{one, priority::medium}, {two, priority::medium}}, 100);
  EXPECT_EQ(served.at(one), 50);
  EXPECT_EQ(served.at(two), 50);
}

TEST(FairQueue, EachPriorityDoublesTheShareAndNobodyStarves) {
  fair_queue q;
  const auto served = serve(q, {{one, priority::low}, {two, priority::medium}, {three, priority::high}}, 700);
  EXPECT_NEAR(served.at(one), 100, 3);
  EXPECT_NEAR(served.at(two), 200, 3);
  EXPECT_NEAR(served.at(three), 400, 3);
}

TEST(FairQueue, LongBatchesAreChargedForTheirTime) {
  fair_queue q;
  q.push(wish(one));
  q.push(wish(two));
  std::map<lease_id, int> served;
  for (int i = 0; i < 110; ++i) {
    const auto w = q.pop(1, 1, true);
    ++served[w->lease];
    q.charge(w->lease, w->priority, w->lease == one ? 10ms : 1ms);
    q.push(wish(w->lease));
  }
  EXPECT_NEAR(served.at(two), 100, 2);
}

TEST(FairQueue, AnIdleModelSavesUpNoCredit) {
  fair_queue q;
  serve(q, {{one, priority::medium}}, 1000);
  q.push(wish(two));
  std::map<lease_id, int> served;
  for (int i = 0; i < 100; ++i) {
    const auto w = q.pop(1, 1, true);
    ++served[w->lease];
    q.charge(w->lease, w->priority, 1ms);
    q.push(wish(w->lease));
  }
  EXPECT_NEAR(served.at(one), 50, 2);
}

TEST(FairQueue, BackgroundWaitsForEverybodyAndLeavesASlotFree) {
  fair_queue q;
  q.push(wish(one, priority::high, true));
  q.push(wish(two, priority::low));
  EXPECT_EQ(q.pop(2, 2, true)->lease, two);
  EXPECT_FALSE(q.pop(1, 2, true)) << "the last idle slot stays free for requests";
  EXPECT_EQ(q.pop(2, 2, true)->lease, one);
}

TEST(FairQueue, ForgetDropsWishes) {
  fair_queue q;
  q.push(wish(one));
  q.forget(one);
  EXPECT_FALSE(q.pop(1, 1, true));
}

TEST(FairQueue, BackgroundWaitsForAQuietDevice) {
  fair_queue q;
  q.push(wish(one, priority::high, true));
  EXPECT_FALSE(q.pop(2, 2, false));
  EXPECT_EQ(q.waiting(), 0u) << "no company for a batch";
  EXPECT_EQ(q.background_waiting(), 1u);
  EXPECT_TRUE(q.pop(2, 2, true));
}

TEST(Threads, ALoneBatchGetsAllCoresManyGetTheirShare) {
  EXPECT_EQ(threads_for_batch(true, 1, 2), 2u);
  EXPECT_EQ(threads_for_batch(false, 1, 2), 1u);
}

TEST(Threads, CompanyIsAnythingThatTakesACore) {
  const company none{0, 0, 0, lone_after};
  EXPECT_TRUE(is_lone(none));
  EXPECT_FALSE(is_lone({1, 0, 0, lone_after})) << "another batch";
  EXPECT_FALSE(is_lone({0, 3, 0, lone_after})) << "others that wait";
  EXPECT_FALSE(is_lone({0, 0, 1, lone_after})) << "a load";
  EXPECT_FALSE(is_lone({0, 0, 0, lone_after / 2})) << "company a moment ago";
}

}  // namespace
}  // namespace troupe::actors
