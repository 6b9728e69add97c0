#include "actors/serving/scaling.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;
const steady_time t0{1000s};

TEST(Scaling, FollowsThePlanUpToTheMaximum) {
  scaling_input in;
  in.max_instances = 4;
  in.wanted = 3;
  EXPECT_EQ(desired_instances(in), 3u);
  in.wanted = 6;
  EXPECT_EQ(desired_instances(in), 4u);
  in.instances = 4;
  in.wanted = 1;
  EXPECT_EQ(desired_instances(in), 4u) << "not needed just now is no surplus yet";
}

TEST(Scaling, ShrinksAfterALongSurplusOnly) {
  scaling_input in;
  in.instances = in.max_instances = 2;
  in.idle_surplus = 29s;
  EXPECT_EQ(desired_instances(in), 2u);
  in.idle_surplus = 30s;
  EXPECT_EQ(desired_instances(in), 1u);
  in.instances = 1;
  EXPECT_EQ(desired_instances(in), 1u);
}

TEST(Admission, OnlyWhatCanFinishBeforeItsDeadline) {
  EXPECT_TRUE(can_finish(1000, 1000, t0, t0 + 2s));
  EXPECT_FALSE(can_finish(3000, 1000, t0, t0 + 2s));
  EXPECT_TRUE(can_finish(3000, 0, t0, t0 + 2s)) << "nothing is known yet";
  EXPECT_TRUE(can_finish(3000, 1, t0, no_deadline));
}

}  // namespace
}  // namespace troupe::actors
