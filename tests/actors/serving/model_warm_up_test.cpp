// Warm-ups, in the background and those that somebody waits for.

#include "tests/actors/serving/model_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

TEST_F(ModelActor, WarmUpRunsInTheBackgroundAndAnExplicitOneAnswersWhenDone) {
  start_device(2);
  const std::vector<inference::warm_bucket> buckets{{1, 8}, {2, 8}, {4, 16}};
  auto r = start_cold(buckets);
  ASSERT_TRUE(slots[0]->running) << "idle slots warm the buckets";
  EXPECT_TRUE(slots[0]->running->warm());
  auto m1 = send(r);
  end_batch();
  ASSERT_TRUE(slots[0]->running);
  EXPECT_FALSE(slots[0]->running->warm()) << "requests go before the next bucket";
  const auto report = warm(r);
  for (int i = 0; i < 20 && !*report; ++i) end_batches();
  ASSERT_TRUE(*report);
  EXPECT_EQ((*report)->requests, 10u) << "each bucket once, the smallest and the middle one twice";
  EXPECT_TRUE(r->fully_warm.load());
  EXPECT_EQ(r->counters->inferences.load(), 1u) << "warm-up is no inference";
}

TEST_F(ModelActor, BackgroundWarmUpWaitsForAQuietDeviceAndLeavesOutLongBatches) {
  start_device(2);
  auto busy = start_model({});
  const std::vector<inference::warm_bucket> buckets{{1, 10}, {1, 20}, {1, 1000}};
  auto asked = send(busy);
  end_batch();
  auto r = start_cold(buckets);
  EXPECT_FALSE(slots[0]->running) << "somebody was served a moment ago";
  time.pass(quiet_after);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->bucket->length, 10u);
  end_batch(10ms);
  ASSERT_TRUE(slots[0]->running) << "still quiet";
  EXPECT_EQ(slots[0]->running->bucket->length, 20u);
  end_batch(20ms);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->bucket->length, 10u)
      << "a second of practice would be in somebody's way: the short ones again, for their times";
  end_batch(10ms);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->bucket->length, 20u);
  end_batch(20ms);
  EXPECT_FALSE(slots[0]->running);
  EXPECT_TRUE(r->fully_warm.load());
}

TEST_F(ModelActor, BackgroundWarmUpStartsBesideNoBatchAndHoldsNobodyUp) {
  start_device(4, 30s, 4);
  auto busy = start_model({});
  auto asked = send(busy);
  ASSERT_TRUE(slots[0]->running);
  const std::vector<inference::warm_bucket> buckets{{1, 10}, {1, 20}};
  auto r = start_cold(buckets);
  time.pass(3 * quiet_after);
  for (int i = 1; i < 4; ++i) EXPECT_FALSE(slots[i]->running) << "a long batch runs still";
  end_batch();
  time.pass(2 * quiet_after);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_TRUE(slots[0]->running->warm());
  EXPECT_EQ(slots[0]->running->threads, 1u) << "practice is no lone batch";
  auto more = send(busy);
  EXPECT_TRUE(slots[1]->running) << "a request starts beside practice at once";
  end_all();
}

TEST_F(ModelActor, BackgroundWarmUpWaitsForLoads) {
  start_device(1);
  way->load_begins();
  const std::vector<inference::warm_bucket> buckets{{1, 10}};
  auto r = start_cold(buckets);
  time.pass(3 * quiet_after);
  EXPECT_FALSE(slots[0]->running);
  way->load_ended();
  time.pass(quiet_after);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(slots[0]->running);
    end_batch();
  }
  EXPECT_TRUE(r->fully_warm.load());
}

TEST_F(ModelActor, AnExplicitWarmUpDoesNotWaitForAQuietDevice) {
  start_device(1);
  way->load_begins();
  const std::vector<inference::warm_bucket> buckets{{1, 10}};
  auto r = start_cold(buckets);
  EXPECT_FALSE(slots[0]->running) << "in the background: something loads";
  const auto report = warm(r);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(slots[0]->running);
    end_batch();
  }
  EXPECT_TRUE(*report);
  way->load_ended();
  time.pass(quiet_after);
  EXPECT_FALSE(slots[0]->running) << "the background's wish finds nothing left";
}

TEST_F(ModelActor, AnExplicitWarmUpGetsItsTurnOnAModelThatIsNeverIdle) {
  start_device();
  model_limits one;
  one.batch.max_items = 1;
  const std::vector<inference::warm_bucket> buckets{{1, 10}};
  auto r = start_cold(buckets, one);
  std::vector<made_job> jobs;
  for (int i = 0; i < 100; ++i) jobs.push_back(send(r));
  const auto report = warm(r);
  for (int i = 0; i < 40 && !*report; ++i) {
    ASSERT_TRUE(slots[0]->running);
    end_batch();
  }
  EXPECT_TRUE(*report);
  end_all();
}

}  // namespace
}  // namespace troupe::actors
