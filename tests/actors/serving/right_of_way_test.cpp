// Loads give way to batches, and stop doing so when hurried. Real threads: what they wait for is signalled.

#include "actors/serving/right_of_way.hpp"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "inference/model/step_aside.hpp"

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;

// A load's thread that takes one step aside; `done` when it goes on.
struct stepping_load {
  stepping_load(right_of_way& way, std::chrono::microseconds most, std::chrono::microseconds hurried_most = 0us)
      : thread([this, &way, most, hurried_most] {
          const inference::step_aside_scope scope([&] { way.give_way(hurried, most, hurried_most); });
          inference::step_aside();
          done.set_value();
        }) {}
  ~stepping_load() { thread.join(); }
  bool waits() { return on.wait_for(30ms) == std::future_status::timeout; }
  bool goes_on() { return on.wait_for(10s) == std::future_status::ready; }

  std::atomic<bool> hurried{false};
  std::promise<void> done;
  std::future<void> on = done.get_future();
  std::thread thread;
};

TEST(RightOfWay, ALoadWaitsWhileAnyBatchRuns) {
  right_of_way way;
  way.batch_begins();
  way.batch_begins();
  stepping_load load(way, 20s);
  EXPECT_TRUE(load.waits());
  way.batch_ended();
  EXPECT_TRUE(load.waits()) << "one still runs";
  way.batch_ended();
  EXPECT_TRUE(load.goes_on());
}

TEST(RightOfWay, ALoadWaitsForAMomentAfterABatch) {
  right_of_way way(150ms);
  way.batch_begins();
  stepping_load load(way, 20s);
  EXPECT_TRUE(load.waits());
  way.batch_ended();
  EXPECT_TRUE(load.waits()) << "answers are handed on, and the next batch may begin";
  EXPECT_TRUE(load.goes_on());
}

TEST(RightOfWay, QuietIsSomeTimeAfterTheLastBatch) {
  right_of_way way;
  EXPECT_TRUE(way.quiet_for(1h)) << "there never was one";
  way.batch_begins();
  EXPECT_FALSE(way.quiet_for(0ms));
  way.batch_ended();
  EXPECT_TRUE(way.quiet_for(0ms));
  EXPECT_FALSE(way.quiet_for(1h));
}

TEST(RightOfWay, NothingRunsNothingWaits) {
  right_of_way way;
  stepping_load load(way, 20s);
  EXPECT_TRUE(load.goes_on());
}

TEST(RightOfWay, AHurriedLoadGoesOn) {
  right_of_way way;
  way.batch_begins();
  stepping_load load(way, 20s);
  EXPECT_TRUE(load.waits());
  load.hurried = true;
  way.wake();
  EXPECT_TRUE(load.goes_on());
}

TEST(RightOfWay, AHurriedLoadStillGivesWayForAMoment) {
  right_of_way way;
  way.batch_begins();
  stepping_load load(way, 20s, 20s);
  load.hurried = true;
  way.wake();
  EXPECT_TRUE(load.waits());
  way.batch_ended();
  EXPECT_TRUE(load.goes_on());
}

TEST(RightOfWay, ABatchThatNeverEndsHoldsALoadForALimitedTime) {
  right_of_way way;
  way.batch_begins();
  stepping_load load(way, 50ms);
  EXPECT_TRUE(load.goes_on());
}

TEST(StepAside, DoesNothingOutsideAScope) {
  int steps = 0;
  inference::step_aside();
  {
    const inference::step_aside_scope scope([&] { ++steps; });
    inference::step_aside();
    std::thread([] { inference::step_aside(); }).join();
  }
  inference::step_aside();
  EXPECT_EQ(steps, 1);
}

}  // namespace
}  // namespace troupe::actors
