// Threads that can be left behind, alone and in a slot.

#include "actors/serving/abandonable_thread.hpp"

#include <gtest/gtest.h>

#include <future>

#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

struct latch {
  std::promise<void> promise;
  std::shared_future<void> future{promise.get_future()};
  void open() { promise.set_value(); }
  void wait() const { future.wait(); }
};

// Says that its destruction has begun, and ends it when it may.
struct slow_to_die {
  latch &begun, &may_end;
  slow_to_die(latch& b, latch& e) : begun(b), may_end(e) {}
  ~slow_to_die() {
    begun.open();
    may_end.wait();
  }
};

void expect_abandoned(std::uint32_t count) {
  const auto end = steady_clock::now() + 10s;
  while (abandoned_threads() != count && steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(abandoned_threads(), count);
}

TEST(AbandonableThread, CountsUntilAllThatItsWorkHeldIsDestroyed) {
  latch returns, dying, dies;
  abandonable_thread t("test", [&returns, held = std::make_shared<slow_to_die>(dying, dies)] { returns.wait(); });
  EXPECT_EQ(abandoned_threads(), 0u);
  t.leave_behind();
  EXPECT_FALSE(t.joinable());
  EXPECT_EQ(abandoned_threads(), 1u);
  returns.open();
  dying.wait();
  EXPECT_EQ(abandoned_threads(), 1u) << "it has come back, but still takes things down";
  dies.open();
  expect_abandoned(0);
}

TEST(AbandonableThread, OneThatHasEndedIsNotCounted) {
  latch ended;
  struct tells {
    explicit tells(latch& to) : l(to) {}
    ~tells() { l.open(); }
    latch& l;
  };
  abandonable_thread t("test", [held = std::make_shared<tells>(ended)] {});
  ended.wait();
  t.leave_behind();
  expect_abandoned(0);
}

TEST(AbandonableThread, WhatItsWorkThrowsEndsThere) {
  abandonable_thread t("test", [] { throw 42; });  // NOLINT: what no work should do
  t.join();
  EXPECT_FALSE(t.joinable());
}

TEST(AbandonableThread, AnotherTakesItsPlaceWhenItHasEnded) {
  int runs = 0;
  abandonable_thread t("a name of more than fifteen bytes", [&] { ++runs; });
  t = abandonable_thread("test", [&] { ++runs; });
  t.join();
  EXPECT_EQ(runs, 2);
}

// -- slots ------------------------------------------------------------------------------------------------------

struct hanging : inference::instance {
  latch &runs, &returns;
  slow_to_die end;
  hanging(latch& r, latch& b, latch& dying, latch& dies) : runs(r), returns(b), end(dying, dies) {}
  void step(std::span<inference::row> rows) override {
    runs.open();
    returns.wait();
    for (auto& r : rows) r.out = inference::transcript{"late", true, {}, {}};
  }
};

batch_ptr some_batch(const std::shared_ptr<metrics>& meter, std::unique_ptr<inference::instance> runs_on) {
  auto home = std::make_shared<resident>();
  home->name = "m";
  home->model = std::make_shared<fake_model>();
  home->metrics = meter->for_model("m");
  home->counters = std::make_shared<model_entry>("m");
  auto b = std::make_shared<batch>();
  b->owner = std::move(home);
  b->instance = std::move(runs_on);
  b->items.push_back(make_item(make_job().job));
  return b;
}

TEST(Slot, AThreadThatHangsCountsUntilItsBatchIsGone) {
  latch runs, returns, dying, dies;
  auto meter = std::make_shared<metrics>();
  auto slot = make_thread_slots(1, std::make_shared<right_of_way>()).front();
  slot->run(some_batch(meter, std::make_unique<hanging>(runs, returns, dying, dies)),
            [](std::uint64_t, const batch_ptr&) { FAIL(); });
  runs.wait();
  slot->replace().reset();
  EXPECT_EQ(abandoned_threads(), 1u);
  std::promise<void> done;  // its successor works
  slot->run(some_batch(meter, nullptr), [&](std::uint64_t, const batch_ptr&) { done.set_value(); });
  done.get_future().wait();
  returns.open();
  dying.wait();
  EXPECT_EQ(abandoned_threads(), 1u) << "its batch still lives";
  dies.open();
  expect_abandoned(0);
}

TEST(Slot, WhateverAModelThrowsFailsItsBatchOnly) {
  struct bad : fake_model {
    std::unique_ptr<inference::instance> make_instance() const override { throw 42; }  // NOLINT
  };
  auto meter = std::make_shared<metrics>();
  auto slot = make_thread_slots(1, std::make_shared<right_of_way>()).front();
  auto b = some_batch(meter, nullptr);
  b->owner->model = std::make_shared<bad>();
  std::promise<std::string> failure;
  slot->run(b, [&](std::uint64_t, const batch_ptr& ended) { failure.set_value(ended->failure); });
  EXPECT_EQ(failure.get_future().get(), "no instance could be made: no std::exception");
}

}  // namespace
}  // namespace troupe::actors
