#include "actors/serving/returns.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;
const steady_time t0{1000s};

// Of each batch so many come back at once.
void learn(returns& r, std::uint64_t answered, std::uint64_t back, steady_time& now) {
  for (int i = 0; i < 30; ++i) {
    r.answered(answered, now, now + 1ms);
    r.arrived(back, now + 100us);
    now += 10ms;
  }
}

TEST(Returns, NothingIsExpectedBeforeItWasSeen) {
  returns r;
  r.answered(16, t0, t0 + 1ms);
  EXPECT_EQ(r.due(t0).items, 0u);
}

TEST(Returns, ThoseWhoCameBackBeforeAreExpectedUntilTheyCameOrAreLate) {
  returns r;
  auto now = t0;
  learn(r, 16, 16, now);
  r.answered(16, now, now + 1ms);
  EXPECT_EQ(r.due(now).items, 16u);
  EXPECT_EQ(r.due(now).until, now + 1ms);
  r.arrived(10, now + 200us);
  EXPECT_EQ(r.due(now + 200us).items, 6u);
  EXPECT_EQ(r.due(now + 1100us).items, 0u) << "late";
}

TEST(Returns, HalfOfThemIsHalf) {
  returns r;
  auto now = t0;
  learn(r, 16, 8, now);
  r.answered(16, now, now + 1ms);
  EXPECT_EQ(r.due(now).items, 8u);
}

TEST(Returns, ClientsThatThinkAreNotWaitedFor) {
  returns r;
  auto now = t0;
  learn(r, 16, 16, now);
  learn(r, 16, 0, now);
  r.answered(16, now, now + 1ms);
  EXPECT_EQ(r.due(now).items, 0u);
}

TEST(Returns, TwoBatchesThatEndTogetherAreBothExpected) {
  returns r;
  auto now = t0;
  learn(r, 16, 16, now);
  r.answered(16, now, now + 1ms);
  r.answered(8, now + 500us, now + 1500us);
  r.arrived(20, now + 600us);
  EXPECT_EQ(r.due(now + 600us).items, 4u);
  EXPECT_EQ(r.due(now + 600us).until, now + 1500us);
}

}  // namespace
}  // namespace troupe::actors
