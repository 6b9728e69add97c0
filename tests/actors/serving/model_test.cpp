// The model actor and the device actor together, in virtual time, on slots without threads.

#include "actors/serving/model.hpp"

#include <gtest/gtest.h>

#include "actors/residency/usage.hpp"
#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
using config::priority;

struct ModelActor : ::testing::Test {
  virtual_time time;
  std::shared_ptr<metrics> meter = std::make_shared<metrics>();
  std::shared_ptr<device_gauges> gauges = std::make_shared<device_gauges>();
  std::vector<std::shared_ptr<fake_slot>> slots;
  device_actor dev;
  std::vector<std::string> failures;
  std::uint64_t models = 0;

  std::shared_ptr<right_of_way> way = std::make_shared<right_of_way>();

  void start_device(std::uint32_t count = 1, std::chrono::milliseconds timeout = 30s, std::uint32_t lone_threads = 1) {
    std::vector<slot_ptr> all;
    for (std::uint32_t i = 0; i < count; ++i) {
      slots.push_back(std::make_shared<fake_slot>(i));
      all.push_back(slots.back());
    }
    device_options options;
    options.slot_timeout = timeout;
    options.lone_threads = lone_threads;
    options.way = way;
    dev = time.system.spawn(device, all, options, meter, gauges);
    time.settle();
  }

  resident_ptr start_model(model_limits limits, std::unique_ptr<fake_model> m = std::make_unique<fake_model>(),
                           priority p = priority::medium) {
    auto r = std::make_shared<resident>();
    r->lease = lease_id{++models};
    r->name = "m" + std::to_string(models);
    r->model = std::move(m);
    r->limits = limits;
    r->metrics = meter->for_model(r->name);
    r->counters = std::make_shared<model_entry>(r->name);
    r->actor = time.system.spawn(model, r, dev, p, std::make_shared<std::unique_ptr<inference::instance>>(),
                                 std::function<void(std::string)>([this](std::string why) { failures.push_back(why); }));
    time.settle();
    return r;
  }

  made_job send(const resident_ptr& r, std::uint32_t cost = 1, steady_time deadline = no_deadline) {
    auto m = make_job(deadline);
    auto it = make_item(m.job, cost);
    EXPECT_EQ(r->door.try_enter(1, 1000), gate::entry::entered);
    it->place = std::make_unique<ticket>(r, 1);
    caf::anon_send(r->actor, enqueue_atom::value, std::make_shared<std::vector<item_ptr>>(1, std::move(it)));
    time.settle();
    return m;
  }

  ~ModelActor() override { time.settle(); }
  void stop(const resident_ptr& r) {
    caf::anon_send_exit(r->actor, caf::exit_reason::kill);
    time.settle();
  }
  void TearDown() override {
    if (dev) caf::anon_send_exit(dev, caf::exit_reason::kill);
    time.settle();
  }
};

TEST_F(ModelActor, ZeroDelayBatching_WhatWaitsRunsTogetherWhenASlotIsFree) {
  start_device();
  auto r = start_model({});
  auto first = send(r);
  ASSERT_TRUE(slots[0]->running) << "a free slot takes a lone item at once";
  EXPECT_EQ(slots[0]->running->items.size(), 1u);
  std::vector<made_job> more;
  for (int i = 0; i < 5; ++i) more.push_back(send(r));
  slots[0]->finish();
  time.settle();
  EXPECT_TRUE(first.out->ended);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->items.size(), 5u);
  slots[0]->finish();
  time.settle();
  for (auto& m : more) EXPECT_TRUE(m.out->ended);
  EXPECT_EQ(r->door.inside(), 0u);
  stop(r);
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
  slots[0]->finish();
  time.settle();
  time.pass(1us);
  auto b = send(r), c = send(r);
  EXPECT_FALSE(slots[0]->running);
  auto d = send(r);
  ASSERT_TRUE(slots[0]->running) << "full: no more waiting";
  EXPECT_EQ(slots[0]->running->items.size(), 3u);
  slots[0]->finish();
  time.settle();
  stop(r);
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
  slots[0]->finish();
  time.settle();
  EXPECT_FALSE(slots[0]->running) << "the dead item runs no more";
  EXPECT_EQ(r->door.inside(), 0u);
  stop(r);
}

TEST_F(ModelActor, ARunningBatchDoesNotHoldAnExpiredRequestBack) {
  start_device();
  auto r = start_model({});
  auto m = send(r, 1, time.now() + 20ms);
  ASSERT_TRUE(slots[0]->running);
  time.pass(20ms);
  EXPECT_TRUE(m.out->failure);
  slots[0]->finish();
  time.settle();
  EXPECT_TRUE(m.out->writes.empty());
  stop(r);
}

TEST_F(ModelActor, AClientThatLeftIsSkipped) {
  start_device();
  auto r = start_model({});
  auto running = send(r);
  auto gone = send(r), stays = send(r);
  gone.job->cancel();
  slots[0]->finish();
  time.settle();
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->items.size(), 1u);
  slots[0]->finish();
  time.settle();
  EXPECT_TRUE(stays.out->ended);
  EXPECT_TRUE(gone.out->writes.empty());
  stop(r);
}

TEST_F(ModelActor, AdmitsOnlyWhatItCanFinishBeforeTheDeadline) {
  start_device();
  auto r = start_model({});
  auto first = send(r, 100);
  slots[0]->finish(100ms);  // 1,000 tokens a second
  time.settle();
  auto busy = send(r, 900);
  auto queued = send(r, 900);
  auto hopeless = send(r, 1, time.now() + 100ms);
  ASSERT_TRUE(hopeless.out->failure);
  EXPECT_EQ(hopeless.out->failure->code, error_code::too_many_requests);
  auto patient = send(r, 1, time.now() + 10s);
  EXPECT_FALSE(patient.out->closed());
  slots[0]->finish();
  time.settle();
  slots[0]->finish();
  time.settle();
  stop(r);
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
  slots[0]->finish();
  time.settle();
  EXPECT_TRUE(other.out->ended);
  EXPECT_EQ(gauges->replaced.load(), 1u);
  hung.reset();
  stop(good);
}

TEST_F(ModelActor, AKilledActorAnswersItsQueue) {
  start_device();
  auto r = start_model({});
  auto running = send(r), waiting = send(r);
  stop(r);
  ASSERT_TRUE(waiting.out->failure);
  EXPECT_EQ(waiting.out->failure->code, error_code::unavailable);
  slots[0]->finish();
  time.settle();
  EXPECT_TRUE(running.out->ended) << "its batch was on the slot already";
}

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
    slots[0]->finish(1ms);
    time.settle();
  }
  EXPECT_NEAR(served_high, 40, 2);
  EXPECT_NEAR(served_low, 10, 2);
  while (slots[0]->running) {
    slots[0]->finish();
    time.settle();
  }
  stop(low);
  stop(high);
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
  for (int i = 0; i < 4; ++i) {
    slots[i % 2]->finish();
    time.settle();
  }
  EXPECT_EQ(r->instances.load(), 2u);
  time.pass(shrink_after);
  EXPECT_EQ(r->instances.load(), 1u);
  stop(r);
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
  for (int i = 0; i < 4; ++i) {
    slots[0]->finish();
    time.settle();
  }
  stop(r);
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
  slots[0]->finish();
  time.settle();
  auto& next = slots[0]->running ? slots[0] : slots[1];
  ASSERT_TRUE(next->running);
  EXPECT_EQ(next->running->threads, 1u) << "there was company just now";
  auto third = send(r);
  EXPECT_TRUE(slots[0]->running && slots[1]->running) << "batches of one thread run side by side";
  for (auto& s : slots) s->finish();
  time.settle();
  time.pass(lone_after);
  auto fourth = send(r);
  EXPECT_EQ((slots[0]->running ? slots[0] : slots[1])->running->threads, 4u) << "alone again";
  for (auto& s : slots)
    if (s->running) s->finish();
  time.settle();
  stop(r);
  stop(other);
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
  for (auto& s : slots) s->finish();
  time.settle();
  stop(r);
  stop(other);
}

TEST_F(ModelActor, BesideALoadABatchGetsOneThread) {
  start_device(2, 30s, 4);
  auto r = start_model({});
  way->load_begins();
  auto first = send(r);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->threads, 1u);
  way->load_ended();
  slots[0]->finish();
  time.settle();
  stop(r);
}

TEST_F(ModelActor, BackgroundWarmUpWaitsForAQuietDeviceAndLeavesOutLongBatches) {
  start_device(2);
  auto busy = start_model({});
  auto m = std::make_unique<fake_model>();
  m->buckets = {{1, 10}, {1, 20}, {1, 1000}};
  auto asked = send(busy);
  slots[0]->finish();
  time.settle();
  auto r = start_model({}, std::move(m));
  EXPECT_FALSE(slots[0]->running) << "somebody was served a moment ago";
  time.pass(quiet_after);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->bucket->length, 10u);
  slots[0]->finish(10ms);
  time.settle();
  ASSERT_TRUE(slots[0]->running) << "still quiet";
  EXPECT_EQ(slots[0]->running->bucket->length, 20u);
  slots[0]->finish(20ms);
  time.settle();
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->bucket->length, 10u)
      << "a second of practice would be in somebody's way: the short ones again, for their times";
  slots[0]->finish(10ms);
  time.settle();
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->bucket->length, 20u);
  slots[0]->finish(20ms);
  time.settle();
  EXPECT_FALSE(slots[0]->running);
  EXPECT_TRUE(r->fully_warm.load());
  stop(r);
  stop(busy);
}

TEST_F(ModelActor, AnExplicitWarmUpDoesNotWaitForAQuietDevice) {
  start_device(1);
  way->load_begins();
  auto m = std::make_unique<fake_model>();
  m->buckets = {{1, 10}};
  auto r = start_model({}, std::move(m));
  EXPECT_FALSE(slots[0]->running) << "in the background: something loads";
  std::optional<warmup_report> report;
  caf::anon_send(r->actor, warm_atom::value,
                 std::make_shared<one_shot<warmup_report>>([&](result<warmup_report> w) { report = w.value(); }));
  time.settle();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(slots[0]->running);
    slots[0]->finish();
    time.settle();
  }
  EXPECT_TRUE(report);
  way->load_ended();
  time.pass(quiet_after);
  EXPECT_FALSE(slots[0]->running) << "the background's wish finds nothing left";
  stop(r);
}

TEST_F(ModelActor, BackgroundWarmUpStartsBesideNoBatchAndHoldsNobodyUp) {
  start_device(4, 30s, 4);
  auto busy = start_model({});
  auto asked = send(busy);
  ASSERT_TRUE(slots[0]->running);
  auto m = std::make_unique<fake_model>();
  m->buckets = {{1, 10}, {1, 20}};
  auto r = start_model({}, std::move(m));
  time.pass(3 * quiet_after);
  for (int i = 1; i < 4; ++i) EXPECT_FALSE(slots[i]->running) << "a long batch runs still";
  slots[0]->finish();
  time.settle();
  time.pass(2 * quiet_after);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_TRUE(slots[0]->running->warm());
  EXPECT_EQ(slots[0]->running->threads, 1u) << "practice is no lone batch";
  auto more = send(busy);
  EXPECT_TRUE(slots[1]->running) << "a request starts beside practice at once";
  for (auto& s : slots)
    while (s->running) {
      s->finish();
      time.settle();
    }
  stop(r);
  stop(busy);
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
  for (auto& s : slots)
    if (s->running) s->finish();
  time.settle();
  stop(r);
  stop(other);
}

TEST_F(ModelActor, BackgroundWarmUpWaitsForLoads) {
  start_device(1);
  way->load_begins();
  auto m = std::make_unique<fake_model>();
  m->buckets = {{1, 10}};
  auto r = start_model({}, std::move(m));
  time.pass(3 * quiet_after);
  EXPECT_FALSE(slots[0]->running);
  way->load_ended();
  time.pass(quiet_after);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(slots[0]->running);
    slots[0]->finish();
    time.settle();
  }
  EXPECT_TRUE(r->fully_warm.load());
  stop(r);
}

TEST_F(ModelActor, WarmUpRunsInTheBackgroundAndAnExplicitOneAnswersWhenDone) {
  start_device(2);
  auto m = std::make_unique<fake_model>();
  m->buckets = {{1, 8}, {2, 8}, {4, 16}};
  auto r = start_model({}, std::move(m));
  ASSERT_TRUE(slots[0]->running) << "idle slots warm the buckets";
  EXPECT_TRUE(slots[0]->running->warm());
  auto m1 = send(r);
  slots[0]->finish();
  time.settle();
  ASSERT_TRUE(slots[0]->running);
  EXPECT_FALSE(slots[0]->running->warm()) << "requests go before the next bucket";
  std::optional<warmup_report> report;
  caf::anon_send(r->actor, warm_atom::value,
                 std::make_shared<one_shot<warmup_report>>([&](result<warmup_report> w) { report = w.value(); }));
  time.settle();
  for (int i = 0; i < 20 && !report; ++i) {
    for (auto& s : slots)
      if (s->running) s->finish();
    time.settle();
  }
  ASSERT_TRUE(report);
  EXPECT_EQ(report->requests, 10u) << "each bucket once, the smallest and the middle one twice";
  EXPECT_TRUE(r->fully_warm.load());
  EXPECT_EQ(r->counters->inferences.load(), 1u) << "warm-up is no inference";
  stop(r);
}

// Answers so many batches of `rows` rows, whose clients are back at once, that they are expected from then on.
void learn_returns(ModelActor& t, const resident_ptr& r, int rows) {
  std::vector<made_job> jobs;
  for (int i = 0; i < rows; ++i) jobs.push_back(t.send(r));
  for (int n = 0; n < 20; ++n) {
    while (t.slots[0]->running) {
      const auto answered = t.slots[0]->running->items.size();
      t.time.pass(10ms);
      t.slots[0]->finish(10ms);
      t.time.settle();
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
  slots[0]->finish(10ms);
  time.settle();
  auto first = send(r);
  EXPECT_FALSE(slots[0]->running) << "three more are due";
  auto second = send(r), third = send(r), fourth = send(r);
  ASSERT_TRUE(slots[0]->running) << "all are here";
  EXPECT_EQ(slots[0]->running->items.size(), 4u);
  time.pass(10ms);
  slots[0]->finish(10ms);
  time.settle();
  // They do not come this time: the one that does waits for 5 % of a batch and no longer.
  auto alone = send(r);
  EXPECT_FALSE(slots[0]->running);
  time.pass(500us);
  ASSERT_TRUE(slots[0]->running);
  EXPECT_EQ(slots[0]->running->items.size(), 1u);
  slots[0]->finish(10ms);
  time.settle();
  EXPECT_TRUE(alone.out->ended);
  stop(r);
}

// One of four clients that are due is back: slot 0 is kept for the others.
made_job send_and_have_the_slot_kept(ModelActor& t, const resident_ptr& r) {
  learn_returns(t, r, 4);
  t.time.pass(10ms);
  t.slots[0]->finish(10ms);
  t.time.settle();
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
  slots[0]->finish();
  time.settle();
  stop(r);
  stop(other);
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
  slots[0]->finish();
  time.settle();
  stop(other);
}

// So many rows in one message.
made_job send_list(const resident_ptr& r, virtual_time& time, std::uint32_t rows) {
  auto m = make_job(no_deadline, priority::medium, rows);
  EXPECT_EQ(r->door.try_enter(rows, 1000), gate::entry::entered);
  auto list = std::make_shared<std::vector<item_ptr>>();
  for (std::uint32_t i = 0; i < rows; ++i) {
    list->push_back(make_item(m.job));
    list->back()->index = i;
    list->back()->place = std::make_unique<ticket>(r, 1);
  }
  caf::anon_send(r->actor, enqueue_atom::value, std::move(list));
  time.settle();
  return m;
}

TEST_F(ModelActor, WhatAPlanLeavesDoesNotWaitForTheQueueDelayAgain) {
  start_device(2);
  model_limits limits;
  limits.max_queue_delay = 50ms;
  limits.batch.max_items = 8;
  limits.max_instances = 2;
  auto r = start_model(limits);
  auto m = send_list(r, time, 8);
  ASSERT_TRUE(slots[0]->running && slots[1]->running) << "a full batch came, and two slots are idle";
  for (auto& s : slots) s->finish();
  time.settle();
  EXPECT_TRUE(m.out->ended);
  stop(r);
}

TEST_F(ModelActor, LightTrafficDoesNotKeepInstances) {
  start_device(4);
  model_limits limits;
  limits.max_instances = 4;
  auto r = start_model(limits);
  auto burst = send_list(r, time, 4);
  EXPECT_EQ(r->instances.load(), 4u);
  for (auto& s : slots) s->finish();
  time.settle();
  std::vector<made_job> jobs;
  for (int i = 0; i < 20; ++i) {
    time.pass(10s);
    jobs.push_back(send(r));
    for (auto& s : slots)
      if (s->running) s->finish();
    time.settle();
  }
  EXPECT_LE(r->instances.load(), 2u);
  stop(r);
}

TEST_F(ModelActor, AnExplicitWarmUpGetsItsTurnOnAModelThatIsNeverIdle) {
  start_device();
  model_limits one;
  one.batch.max_items = 1;
  auto m = std::make_unique<fake_model>();
  m->buckets = {{1, 10}};
  auto r = start_model(one, std::move(m));
  std::vector<made_job> jobs;
  for (int i = 0; i < 100; ++i) jobs.push_back(send(r));
  std::optional<warmup_report> report;
  caf::anon_send(r->actor, warm_atom::value,
                 std::make_shared<one_shot<warmup_report>>([&](result<warmup_report> w) { report = w.value(); }));
  for (int i = 0; i < 40 && !report; ++i) {
    ASSERT_TRUE(slots[0]->running);
    slots[0]->finish();
    time.settle();
  }
  EXPECT_TRUE(report);
  while (slots[0]->running) {
    slots[0]->finish();
    time.settle();
  }
  stop(r);
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
  // Both end at the same moment.
  slots[0]->finish(1ms);
  slots[1]->finish(1ms);
  time.settle();
  ASSERT_TRUE(slots[0]->running && slots[1]->running);
  EXPECT_EQ(slots[0]->running->items.size() + slots[1]->running->items.size(), 8u);
  EXPECT_GE(slots[1]->running->items.size(), 3u);
  for (auto& s : slots) s->finish();
  time.settle();
  stop(r);
}

TEST_F(ModelActor, AListSharesTheSlotsThoughOneThreadGroupWasFree) {
  start_device(4, 30s, 4);
  model_limits limits;
  limits.max_instances = 4;
  auto r = start_model(limits);
  auto m = send_list(r, time, 8);
  for (auto& s : slots) {
    ASSERT_TRUE(s->running) << "all cores work on it, one thread a batch";
    EXPECT_EQ(s->running->items.size(), 2u);
    EXPECT_EQ(s->running->threads, 1u);
  }
  for (auto& s : slots) s->finish();
  time.settle();
  EXPECT_TRUE(m.out->ended);
  stop(r);
}

}  // namespace
}  // namespace troupe::actors
