#include "actors/serving/warm_up.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;
using buckets = std::vector<inference::warm_bucket>;
const steady_time t0{1000s};

// The lengths that are run, each taking 10 us a cost unit.
std::vector<std::uint32_t> run(warm_up& w) {
  std::vector<std::uint32_t> lengths;
  while (w.batch_waits()) {
    const auto b = w.next();
    lengths.push_back(b.length);
    w.ended(b, std::chrono::microseconds(10 * b.items * b.length), "");
  }
  return lengths;
}
using list = std::vector<std::uint32_t>;

TEST(WarmUp, EveryBucketOnceThenTwoAgainForTheirTimes) {
  warm_up w(buckets{{1, 10}, {1, 20}, {2, 30}}, 0, false, t0);
  EXPECT_EQ(run(w), (list{10, 20, 30, 10, 20}));
  EXPECT_TRUE(w.over());
  EXPECT_EQ(w.report("m", t0 + 2s).requests, 6u);
  EXPECT_DOUBLE_EQ(w.report("m", t0 + 2s).time_s, 2);
}

TEST(WarmUp, RunsAtLeastTheRequestsThatWereAskedFor) {
  warm_up w(buckets{{1, 10}, {1, 20}}, 10, false, t0);
  EXPECT_EQ(run(w).size(), 10u);
  EXPECT_EQ(w.report("m", t0).requests, 10u);
}

TEST(WarmUp, ABackgroundOneLeavesOutLongBatches) {
  warm_up background(buckets{{1, 100}, {1, 20000}}, 0, true, t0);
  EXPECT_EQ(run(background), (list{100, 100}));
  warm_up explicit_one(buckets{{1, 100}, {1, 20000}}, 0, false, t0);
  EXPECT_EQ(run(explicit_one), (list{100, 20000, 100, 20000}));
}

TEST(WarmUp, AFailureEndsIt) {
  warm_up w(buckets{{1, 10}, {1, 20}}, 0, false, t0);
  w.ended(w.next(), 1ms, "boom");
  EXPECT_TRUE(w.over());
  EXPECT_EQ(w.failure(), "boom");
}

TEST(WarmUp, NoBucketsIsOverAtOnce) {
  warm_up w({}, 10, false, t0);
  EXPECT_TRUE(w.over());
}

}  // namespace
}  // namespace troupe::actors
