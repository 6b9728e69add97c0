// The model actor's queue, deadlines, instances and slots.

#include "actors/serving/scaling.hpp"
#include "tests/actors/serving/model_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

TEST_F(ModelActor, ZeroDelayBatching_WhatWaitsRunsTogetherWhenASlotIsFree) {
  start_device();
  auto r = start_model({});
  auto first = send(r);
  ASSERT_TRUE(slots[0]->running) << "a free slot takes a lone item at once";
  EXPECT_EQ(slots[0]->running->items.size(), 1u);
  std::vector<made_job> more;
  for (int i = 0; i < 5; ++i) more.push_back(send(r));
  end_batch();
  EXPECT_TRUE(first.out->ended);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->items.size(), 5u);
  end_batch();
  for (auto& m : more) EXPECT_TRUE(m.out->ended);
  EXPECT_EQ(r->door.inside(), 0u);
}

TEST_F(ModelActor, QueueDelayWaitsForAFullBatchOrItsEnd) {
  start_device();
  model_limits limits;
  limits.max_queue_delay = 5ms;
  limits.batch.max_items = 3;
  auto r = start_model(limits);
  auto a = send(r);
  EXPECT_FALSE(slots[0]->running);
  time.pass(5ms);
  ASSERT_TRUE(slots[0]->running);
  end_batch();
  time.pass(1us);
  auto b = send(r), c = send(r);
  EXPECT_FALSE(slots[0]->running);
  auto d = send(r);
  ASSERT_TRUE(slots[0]->running) << "full: no more waiting";
  EXPECT_EQ(slots[0]->running->items.size(), 3u);
  end_batch();
}

TEST_F(ModelActor, AnExpiredEntryIsAnsweredOnTimeNotWhenItReachesTheFront) {
  start_device();
  auto r = start_model({});
  auto running = send(r);
  auto waiting = send(r, 1, time.now() + 50ms);
  time.pass(49ms);
  EXPECT_FALSE(waiting.out->closed());
  time.pass(1ms);
  ASSERT_TRUE(waiting.out->failure);
  EXPECT_EQ(waiting.out->failure->code, error_code::deadline_exceeded);
  EXPECT_FALSE(running.out->closed());
  end_batch();
  EXPECT_FALSE(slots[0]->running) << "the dead item runs no more";
  EXPECT_EQ(r->door.inside(), 0u);
}

TEST_F(ModelActor, ARunningBatchDoesNotHoldAnExpiredRequestBack) {
  start_device();
  auto r = start_model({});
  auto m = send(r, 1, time.now() + 20ms);
  ASSERT_TRUE(slots[0]->running);
  time.pass(20ms);
  EXPECT_TRUE(m.out->failure);
  end_batch();
  EXPECT_TRUE(m.out->writes.empty());
}

TEST_F(ModelActor, AClientThatLeftIsSkipped) {
  start_device();
  auto r = start_model({});
  auto running = send(r);
  auto gone = send(r), stays = send(r);
  gone.job->cancel();
  end_batch();
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->items.size(), 1u);
  end_batch();
  EXPECT_TRUE(stays.out->ended);
  EXPECT_TRUE(gone.out->writes.empty());
}

TEST_F(ModelActor, AdmitsOnlyWhatItCanFinishBeforeTheDeadline) {
  start_device();
  auto r = start_model({});
  auto first = send(r, 100);
  end_batch(100ms);  // 1,000 tokens a second
  auto busy = send(r, 900);
  auto queued = send(r, 900);
  auto hopeless = send(r, 1, time.now() + 100ms);
  ASSERT_TRUE(hopeless.out->failure);
  EXPECT_EQ(hopeless.out->failure->code, error_code::too_many_requests);
  auto patient = send(r, 1, time.now() + 10s);
  EXPECT_FALSE(patient.out->closed());
  end_batch();
  end_batch();
}

TEST_F(ModelActor, AKilledActorAnswersItsQueue) {
  start_device();
  auto r = start_model({});
  auto running = send(r), waiting = send(r);
  stop(r);
  ASSERT_TRUE(waiting.out->failure);
  EXPECT_EQ(waiting.out->failure->code, error_code::unavailable);
  end_batch();
  EXPECT_TRUE(running.out->ended) << "its batch was on the slot already";
}

TEST_F(ModelActor, InstancesGrowWithTheQueueAndShrinkWhenIdle) {
  start_device(2);
  model_limits limits;
  limits.batch.max_items = 1;
  limits.max_instances = 2;
  auto r = start_model(limits);
  std::vector<made_job> jobs;
  for (int i = 0; i < 4; ++i) jobs.push_back(send(r));
  EXPECT_TRUE(slots[0]->running);
  EXPECT_TRUE(slots[1]->running) << "a second instance runs beside the first";
  EXPECT_EQ(r->instances.load(), 2u);
  for (int i = 0; i < 4; ++i) end_batch(1ms, static_cast<std::size_t>(i % 2));
  EXPECT_EQ(r->instances.load(), 2u);
  time.pass(shrink_after);
  EXPECT_EQ(r->instances.load(), 1u);
}

TEST_F(ModelActor, WithoutAutoScalingThereIsOneInstance) {
  start_device(2);
  model_limits limits;
  limits.batch.max_items = 1;
  limits.max_instances = 2;
  limits.auto_scaling = false;
  auto r = start_model(limits);
  std::vector<made_job> jobs;
  for (int i = 0; i < 4; ++i) jobs.push_back(send(r));
  EXPECT_FALSE(slots[1]->running);
  for (int i = 0; i < 4; ++i) end_batch();
}

TEST_F(ModelActor, LightTrafficDoesNotKeepInstances) {
  start_device(4);
  model_limits limits;
  limits.max_instances = 4;
  auto r = start_model(limits);
  auto burst = send_list(r, 4);
  EXPECT_EQ(r->instances.load(), 4u);
  end_batches();
  std::vector<made_job> jobs;
  for (int i = 0; i < 20; ++i) {
    time.pass(10s);
    jobs.push_back(send(r));
    end_batches();
  }
  EXPECT_LE(r->instances.load(), 2u);
}

TEST_F(ModelActor, WhatWaitsIsSharedByTheIdleSlots) {
  start_device(2);
  model_limits limits;
  limits.max_instances = 2;
  auto r = start_model(limits);
  auto running = send(r), beside = send(r);
  ASSERT_TRUE(slots[0]->running && slots[1]->running);
  std::vector<made_job> more;
  for (int i = 0; i < 8; ++i) more.push_back(send(r));
  end_batches();
  ASSERT_TRUE(slots[0]->running && slots[1]->running);
  EXPECT_EQ(slots[0]->running->items.size() + slots[1]->running->items.size(), 8u);
  EXPECT_GE(slots[1]->running->items.size(), 3u);
  end_batches();
}

TEST_F(ModelActor, WhatAPlanLeavesDoesNotWaitForTheQueueDelayAgain) {
  start_device(2);
  model_limits limits;
  limits.max_queue_delay = 50ms;
  limits.batch.max_items = 8;
  limits.max_instances = 2;
  auto r = start_model(limits);
  auto m = send_list(r, 8);
  ASSERT_TRUE(slots[0]->running && slots[1]->running) << "a full batch came, and two slots are idle";
  end_batches();
  EXPECT_TRUE(m.out->ended);
}

// Answers so many batches of `rows` rows, whose clients are back at once, that they are expected from then on.
void learn_returns(ModelActor& t, const resident_ptr& r, int rows) {
  std::vector<made_job> jobs;
  for (int i = 0; i < rows; ++i) jobs.push_back(t.send(r));
  for (int n = 0; n < 20; ++n) {
    while (t.slots[0]->running) {
      const auto answered = t.slots[0]->running->items.size();
      t.time.pass(10ms);
      t.end_batch(10ms);
      for (std::size_t i = 0; i < answered; ++i) jobs.push_back(t.send(r));
      if (answered == static_cast<std::size_t>(rows)) break;
    }
  }
}

TEST_F(ModelActor, ASlotIsKeptForAMomentForClientsThatAreDueBack) {
  start_device();
  auto r = start_model({});
  learn_returns(*this, r, 4);
  ASSERT_TRUE(slots[0]->running);
  ASSERT_EQ(slots[0]->running->items.size(), 4u);
  time.pass(10ms);
  end_batch(10ms);
  auto first = send(r);
  EXPECT_FALSE(slots[0]->running) << "three more are due";
  auto second = send(r), third = send(r), fourth = send(r);
  ASSERT_TRUE(slots[0]->running) << "all are here";
  EXPECT_EQ(slots[0]->running->items.size(), 4u);
  time.pass(10ms);
  end_batch(10ms);
  // They do not come this time: the one that does waits for 5 % of a batch and no longer.
  auto alone = send(r);
  EXPECT_FALSE(slots[0]->running);
  time.pass(500us);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->items.size(), 1u);
  end_batch(10ms);
  EXPECT_TRUE(alone.out->ended);
}

// One of four clients that are due is back: slot 0 is kept for the others.
made_job send_and_have_the_slot_kept(ModelActor& t, const resident_ptr& r) {
  learn_returns(t, r, 4);
  t.time.pass(10ms);
  t.end_batch(10ms);
  auto first = t.send(r);
  EXPECT_FALSE(t.slots[0]->running);
  return first;
}

TEST_F(ModelActor, AKeptSlotIsGivenBackWhenItsRequestIsGone) {
  start_device();
  auto r = start_model({});
  auto other = start_model({});
  auto first = send_and_have_the_slot_kept(*this, r);
  first.job->cancel();
  auto waits = send(other);
  time.pass(1ms);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->owner, other);
  end_batch();
}

TEST_F(ModelActor, AModelThatDiesWithAKeptSlotLeavesItToOthers) {
  start_device();
  auto r = start_model({});
  auto other = start_model({});
  auto first = send_and_have_the_slot_kept(*this, r);
  stop(r);
  auto waits = send(other);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->owner, other);
  end_batch();
}

}  // namespace
}  // namespace troupe::actors
