#include "actors/serving/plan.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;

// 1 ms and 1 ms an item of cost 32, however many slots run.
batch_times usual(double fixed_us = 1000, double per_item_us = 1000, std::uint32_t busy = 1) {
  batch_times t;
  for (int i = 0; i < 20; ++i)
    for (const auto items : {1.0, 16.0}) t.observe(busy, 32 * items, fixed_us + per_item_us * items);
  return t;
}
const batch_limits limits{64, 1024};

waiting_work texts(std::uint64_t n) { return {n, 32 * n}; }
slot_outlook idle(std::size_t n) { return {0, std::vector<std::chrono::microseconds>(n, 0us)}; }
slot_outlook busy(std::vector<std::chrono::microseconds> free_in) {
  return {static_cast<std::uint32_t>(free_in.size()), std::move(free_in)};
}
std::uint64_t items(const batch_plan& p) { return p.cost / 32; }

TEST(Plan, TwoIdleSlotsTakeHalfEach) {
  const auto p = plan(texts(32), idle(1), usual(), limits, 0, 0, 2);
  EXPECT_EQ(items(p), 16u);
  EXPECT_EQ(p.batches, 2u);
  EXPECT_NEAR(static_cast<double>(p.time.count()), 17000, 200);
}

TEST(Plan, AnOddTextGoesToTheGrantedSlot) { EXPECT_EQ(items(plan(texts(33), idle(1), usual(), limits, 0, 0, 2)), 17u); }

TEST(Plan, SixteenIdleSlotsTakeTheirShare) {
  EXPECT_EQ(items(plan(texts(64), idle(15), usual(), limits, 0, 0, 16)), 4u);
  EXPECT_EQ(items(plan(texts(16), idle(15), usual(), limits, 0, 0, 16)), 1u);
}

TEST(Plan, ASlotThatIsFreeMuchLaterGetsNothing) {
  EXPECT_EQ(items(plan(texts(16), busy({40ms}), usual(), limits, 0, 0, 2)), 16u);
}

TEST(Plan, ASlotThatIsFreeSoonGetsItsPart) {
  // 2 L = 16 ms + 2 x 1 ms + 4 ms: the granted slot takes 10 items, the other one 6 when it is free.
  const auto p = plan(texts(16), busy({4ms}), usual(), limits, 0, 2, 2);
  EXPECT_EQ(items(p), 10u);
  EXPECT_EQ(p.batches, 2u);
}

TEST(Plan, LargeFixedTimeIsNotPaidTwiceForAFewItems) {
  const auto p = plan(texts(3), idle(1), usual(10000, 100), limits, 0, 0, 2);
  EXPECT_EQ(items(p), 3u);
  EXPECT_EQ(p.batches, 1u);
}

TEST(Plan, AStreamThatIsNoGainIsNotUsed) {
  auto t = usual(500, 100, 1);
  for (int i = 0; i < 20; ++i)
    for (const auto n : {1.0, 16.0}) t.observe(2, 32 * n, 2 * (500 + 100 * n));
  const auto p = plan(texts(32), idle(1), t, limits, 0, 0, 2);
  EXPECT_EQ(items(p), 32u);
  EXPECT_EQ(p.batches, 1u);
}

TEST(Plan, NothingKnownIsAnEvenShare) {
  EXPECT_EQ(items(plan(texts(32), idle(3), {}, limits, 0, 0, 4)), 8u);
  EXPECT_EQ(plan(texts(32), idle(3), {}, limits, 0, 0, 4).time, 0us);
}

TEST(Plan, KeepsToTheLimits) {
  EXPECT_EQ(items(plan(texts(500), idle(1), usual(), limits, 0, 0, 2)), 32u) << "1,024 tokens";
  EXPECT_EQ(plan({500, 500}, idle(1), usual(), limits, 0, 0, 2).cost, 64u) << "64 items";
  EXPECT_EQ(plan({1, 5000}, idle(1), usual(), limits, 0, 0, 2).cost, 1024u)
      << "a leader over the limit is taken in any case";
}

TEST(Plan, OthersWhoWaitTakeTheNextSlots) {
  EXPECT_EQ(items(plan(texts(32), idle(1), usual(), limits, 1, 0, 2)), 32u);
  EXPECT_EQ(items(plan(texts(32), idle(3), usual(), limits, 2, 0, 4)), 16u);
  EXPECT_EQ(items(plan(texts(32), idle(1), usual(), limits, 9, 0, 2)), 32u);
}

TEST(Plan, OneInstanceTakesItAll) { EXPECT_EQ(items(plan(texts(20), idle(3), usual(), limits, 0, 0, 1)), 20u); }

TEST(Plan, MoreBatchesThanBeforeMustBeWorthIt) {
  // Two batches of 8 take 4,800 us, one of 16 5,200: 8 % more.
  const auto t = usual(4400, 50);
  EXPECT_EQ(plan(texts(16), idle(1), t, limits, 0, 2, 2).batches, 2u);
  EXPECT_EQ(plan(texts(16), idle(1), t, limits, 0, 1, 2).batches, 1u) << "it stays where it was";
  EXPECT_EQ(plan(texts(16), idle(1), usual(), limits, 0, 1, 2).batches, 2u) << "much better: it changes";
}

TEST(Plan, SixtyFourSlotsOfAllKinds) {
  // Whatever the device looks like: at least one item, never more than waits or may be taken.
  for (std::uint64_t n : {1, 2, 63, 64, 65, 500, 4000}) {
    std::vector<std::chrono::microseconds> free_in;
    for (int j = 0; j < 63; ++j) free_in.push_back(j % 3 == 0 ? 0us : std::chrono::microseconds(j * 977 % 30000));
    const auto p = plan(texts(n), {42, free_in}, usual(), limits, 5, 3, 60);
    EXPECT_GE(items(p), 1u);
    EXPECT_LE(p.cost, std::min<std::uint64_t>(32 * n, 1024));
    EXPECT_LE(p.batches, std::min<std::uint64_t>(n, 59));
  }
}

}  // namespace
}  // namespace troupe::actors
