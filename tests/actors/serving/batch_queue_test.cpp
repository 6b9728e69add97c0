#include "actors/serving/batch_queue.hpp"

#include <gtest/gtest.h>

#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
using config::priority;
using inference::padding;

std::vector<std::uint32_t> costs(const std::vector<item_ptr>& batch) {
  std::vector<std::uint32_t> c;
  for (const auto& it : batch) c.push_back(it->in->cost);
  return c;
}
using list = std::vector<std::uint32_t>;
const steady_time t0{1000s};

struct BatchQueue : ::testing::Test {
  batch_queue queue;
  std::vector<made_job> jobs;
  int order = 0;
  job_ptr push(std::uint32_t cost, std::uint64_t key = 0, priority p = priority::medium,
               std::chrono::milliseconds later = 0ms) {
    jobs.push_back(make_job(no_deadline, p));
    queue.push(make_item(jobs.back().job, cost, key, t0 + later + std::chrono::microseconds(order++)));
    return jobs.back().job;
  }
};

TEST_F(BatchQueue, FillsUpToTheLimitInPaddedTokens) {
  for (const auto c : {30u, 30u, 30u, 30u}) push(c);
  EXPECT_EQ(costs(queue.take({64, 100}, padding::none)), (list{30, 30, 30}));
  EXPECT_EQ(costs(queue.take({64, 100}, padding::none)), list{30});
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.cost(), 0u);
}

TEST_F(BatchQueue, FillsUpToTheItemLimit) {
  for (int i = 0; i < 5; ++i) push(1);
  EXPECT_EQ(queue.take({4, 1000}, padding::none).size(), 4u);
}

TEST_F(BatchQueue, ALeaderOverTheLimitRunsAlone) {
  push(500);
  push(1);
  EXPECT_EQ(costs(queue.take({64, 100}, padding::none)), list{500});
}

TEST_F(BatchQueue, PaddingCountsTheLongest) {
  // 40 + 40 padded would be 80; with 60 it would be 3 x 60 = 180 > 100.
  push(40);
  push(60);
  push(38);
  EXPECT_EQ(costs(queue.take({64, 100}, padding::to_longest)), (list{40, 38}));
  EXPECT_EQ(costs(queue.take({64, 100}, padding::to_longest)), list{60});
}

TEST_F(BatchQueue, PaddedBatchesGatherSimilarLengths) {
  for (const auto c : {10u, 100u, 11u, 90u, 12u}) push(c);
  EXPECT_EQ(costs(queue.take({3, 1000}, padding::to_longest)), (list{10, 11, 12}));
  EXPECT_EQ(costs(queue.take({3, 1000}, padding::to_longest)), (list{100, 90}));
}

TEST_F(BatchQueue, OnlyOneBatchKeyABatch) {
  push(1, 7);
  push(2, 8);
  push(3, 7);
  EXPECT_EQ(costs(queue.take({64, 1000}, padding::none)), (list{1, 3}));
  EXPECT_EQ(costs(queue.take({64, 1000}, padding::none)), list{2});
}

TEST_F(BatchQueue, HighPriorityLeadsButWaitingOutweighsIt) {
  push(1, 0, priority::low);
  push(2, 0, priority::high, 10ms);
  EXPECT_EQ(costs(queue.take({1, 1000}, padding::none)), list{2});
  // 250 ms later a high one no longer overtakes: two levels are worth 200 ms.
  push(3, 0, priority::high, 250ms);
  EXPECT_EQ(costs(queue.take({1, 1000}, padding::none)), list{1});
}

TEST_F(BatchQueue, ClosedJobsAreSkippedAndDropped) {
  push(1)->cancel();
  push(2);
  push(3)->cancel();
  EXPECT_EQ(costs(queue.take({64, 1000}, padding::none)), list{2});
  EXPECT_EQ(queue.take({64, 1000}, padding::none).size(), 0u);
  EXPECT_EQ(queue.size(), 0u);
}

TEST_F(BatchQueue, DropDeadGivesTheirCostBack) {
  auto a = push(10);
  push(20);
  a->cancel();
  EXPECT_EQ(queue.drop_dead(), 1u);
  EXPECT_EQ(queue.cost(), 20u);
}

TEST_F(BatchQueue, AnItemThatWantsToBeAloneIs) {
  push(1);
  jobs.push_back(make_job());
  auto it = make_item(jobs.back().job, 2, 0, t0 + 1s);
  it->alone = true;
  queue.push(it);
  push(3, 0, priority::medium, 2s);
  EXPECT_EQ(costs(queue.take({64, 1000}, padding::none)), list{1});
  EXPECT_EQ(costs(queue.take({64, 1000}, padding::none)), list{2});
  EXPECT_EQ(costs(queue.take({64, 1000}, padding::none)), list{3});
}

TEST_F(BatchQueue, TakesAboutWhatIsWantedInWholeItems) {
  for (int i = 0; i < 10; ++i) push(30);
  EXPECT_EQ(queue.take({64, 1000}, padding::none, 120).size(), 4u);
  EXPECT_EQ(queue.take({64, 1000}, padding::to_longest, 60).size(), 2u);
  EXPECT_EQ(queue.take({64, 1000}, padding::none, 40).size(), 1u) << "40 is nearer to 30 than to 60";
  EXPECT_EQ(queue.take({64, 1000}, padding::none, 50).size(), 2u);
  EXPECT_EQ(queue.take({64, 1000}, padding::none, 1).size(), 1u) << "the leader in any case";
  EXPECT_TRUE(queue.empty());
}

TEST_F(BatchQueue, RowsWithAHomeRunThereOrWait) {
  struct other : inference::instance {
    void step(std::span<inference::row>) override {}
  };
  std::vector<std::unique_ptr<inference::instance>> first, second;
  first.push_back(std::make_unique<other>());
  second.push_back(std::make_unique<other>());
  const auto push_at = [&](std::uint32_t cost, const inference::instance* home) {
    jobs.push_back(make_job());
    auto it = make_item(jobs.back().job, cost, 0, t0 + std::chrono::microseconds(order++));
    it->home = home;
    queue.push(it);
  };
  push_at(1, first[0].get());
  push_at(2, second[0].get());
  push_at(3, nullptr);
  push_at(4, first[0].get());
  EXPECT_TRUE(queue.waits_for(first[0].get()));
  // Its own and those that have none yet, whatever is wanted; never another's.
  EXPECT_EQ(costs(queue.take({64, 1000}, padding::none, 4, first)), (list{1, 3, 4}));
  EXPECT_FALSE(queue.waits_for(first[0].get()));
  EXPECT_FALSE(queue.has_work(first)) << "what is left waits for the other";
  EXPECT_TRUE(queue.take({64, 1000}, padding::none, 4, first).empty());
  // A new row that leads goes with those that run where it will.
  push_at(5, nullptr);
  jobs.push_back(make_job(no_deadline, priority::high));
  queue.push(make_item(jobs.back().job, 6, 0, t0));
  EXPECT_EQ(costs(queue.take({64, 1000}, padding::none, 100, second)), (list{6, 2, 5}));
}

}  // namespace
}  // namespace troupe::actors
