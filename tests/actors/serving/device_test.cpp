// Who gets the slots, with how many threads, and what becomes of those that hang.

#include "tests/actors/serving/model_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
using config::priority;

TEST_F(ModelActor, TwoModelsShareOneSlotByPriority) {
  start_device();
  model_limits one;
  one.batch.max_items = 1;
  auto low = start_model(one, std::make_unique<fake_model>(), priority::low);
  auto high = start_model(one, std::make_unique<fake_model>(), priority::high);
  std::vector<made_job> jobs;
  for (int i = 0; i < 50; ++i) {
    jobs.push_back(send(low));
    jobs.push_back(send(high));
  }
  int served_low = 0, served_high = 0;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(slots[0]->running);
    ++(slots[0]->running->owner == low ? served_low : served_high);
    end_batch();
  }
  EXPECT_NEAR(served_high, 40, 2);
  EXPECT_NEAR(served_low, 10, 2);
  end_all();
}

TEST_F(ModelActor, ALoneBatchGetsAllCoresAndNothingStartsBesideIt) {
  start_device(2, 30s, 4);
  auto r = start_model({});
  auto other = start_model({});
  auto first = send(r);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->threads, 4u);
  auto second = send(other);
  EXPECT_FALSE(slots[1]->running) << "its threads would wait for the first one's";
  end_batch();
  auto& next = slots[0]->running ? slots[0] : slots[1];
  ASSERT_TRUE(next->running);
  EXPECT_EQ(next->running->threads, 1u) << "there was company just now";
  auto third = send(r);
  EXPECT_TRUE(slots[0]->running && slots[1]->running) << "batches of one thread run side by side";
  end_batches();
  time.pass(lone_after);
  auto fourth = send(r);
  EXPECT_EQ((slots[0]->running ? slots[0] : slots[1])->running->threads, 4u) << "alone again";
  end_batches();
}

TEST_F(ModelActor, ALoneBatchThatTakesLongHoldsNobodyUp) {
  start_device(2, 30s, 4);
  auto r = start_model({});
  auto other = start_model({});
  auto first = send(r);
  auto second = send(other);
  time.pass(whole_device_max - 1ms);
  EXPECT_FALSE(slots[1]->running);
  time.pass(1ms);
  EXPECT_TRUE(slots[1]->running);
  end_batches();
}

std::unique_ptr<fake_model> alone_on(inference::lone_use use) {
  auto m = std::make_unique<fake_model>();
  m->say_lone(use);
  return m;
}

TEST_F(ModelActor, ALoneBatchWhoseHelpersLeaveHoldsNobodyUp) {
  start_device(2, 30s, 2);
  auto r = start_model({}, alone_on(inference::lone_use::shares_cores));
  auto other = start_model({});
  auto first = send(r);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->threads, 2u);
  EXPECT_TRUE(slots[0]->running->wide);
  auto second = send(other);
  ASSERT_TRUE(slots[1]->running);
  EXPECT_EQ(slots[1]->running->threads, 1u);
  end_batches();
}

TEST_F(ModelActor, ALoneBatchOfAModelThatUsesOneThreadHoldsNobodyUp) {
  start_device(2, 30s, 2);
  auto r = start_model({}, alone_on(inference::lone_use::none));
  auto other = start_model({});
  auto first = send(r);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->threads, 1u);
  EXPECT_FALSE(slots[0]->running->wide) << "its time is one to learn from";
  auto second = send(other);
  EXPECT_TRUE(slots[1]->running);
  end_batches();
}

TEST_F(ModelActor, ALoneBatchThatLeavesCoresFreeKeepsNobodyWaiting) {
  start_device(4, 30s, 2);
  auto r = start_model({});
  auto other = start_model({});
  auto first = send(r);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->threads, 2u);
  auto second = send(other);
  EXPECT_TRUE(slots[1]->running);
  end_batches();
}

TEST_F(ModelActor, BesideALoadABatchGetsOneThread) {
  start_device(2, 30s, 4);
  auto r = start_model({});
  way->load_begins();
  auto first = send(r);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->threads, 1u);
  way->load_ended();
  end_batch();
}

TEST_F(ModelActor, AListSharesTheSlotsThoughOneThreadGroupWasFree) {
  start_device(4, 30s, 4);
  model_limits limits;
  limits.max_instances = 4;
  auto r = start_model(limits);
  auto m = send_list(r, 8);
  for (auto& s : slots) {
    ASSERT_TRUE(s->running) << "all cores work on it, one thread a batch";
    EXPECT_EQ(s->running->items.size(), 2u);
    EXPECT_EQ(s->running->threads, 1u);
  }
  end_batches();
  EXPECT_TRUE(m.out->ended);
}

TEST_F(ModelActor, AHungSlotIsReplacedItsModelFailsOthersGoOn) {
  start_device(1, 1000ms);
  auto bad = start_model({}), good = start_model({});
  auto lost = send(bad);
  auto waiting_in_bad = send(bad);
  auto other = send(good);
  auto hung = slots[0]->running;
  time.pass(2s);
  ASSERT_TRUE(lost.out->failure);
  EXPECT_EQ(lost.out->failure->code, error_code::model_failed);
  EXPECT_EQ(failures.size(), 1u);
  ASSERT_TRUE(waiting_in_bad.out->failure) << "a dead actor's waiting requests are answered";
  EXPECT_EQ(waiting_in_bad.out->failure->code, error_code::unavailable);
  ASSERT_TRUE(slots[0]->running) << "the slot works again";
  end_batch();
  EXPECT_TRUE(other.out->ended);
  EXPECT_EQ(gauges->replaced.load(), 1u);
  hung.reset();
}

}  // namespace
}  // namespace troupe::actors
