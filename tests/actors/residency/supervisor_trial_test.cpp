// Trials: loads that write a serving-ready copy and measure what it gains.

#include "tests/actors/residency/supervisor_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

struct Trial : Supervisor {
  answer<optimize_report> optimize(const std::string& m, std::uint64_t wait_ms = 60000) {
    answer<optimize_report> a;
    caf::anon_send(sup, optimize_atom::value, m, wait_ms, a.reply());
    time.settle();
    return a;
  }
  void end_trial(const trial_outcome& outcome) {
    const auto t = std::move(trials.front());
    trials.pop_front();
    t.done(std::make_shared<trial_outcome>(outcome));
    time.settle();
  }
  static optimize_report measured(const std::string& m) {
    return {m, 5 * mb, measured_load{0.5, 10 * mb}, measured_load{0.25, 1 * mb}, {}};
  }
};

TEST_F(Trial, IsMeasuredBesideWhatServesAndTakesMemoryMeanwhile) {
  add("a");
  start();
  load_model("a");
  auto o = optimize("a");
  EXPECT_FALSE(o.here());
  EXPECT_EQ(trials.front().order->model, "a");
  EXPECT_EQ(report().memory.used_bytes, 20 * mb);
  end_trial(measured("a"));
  EXPECT_EQ(o.get()->copy_bytes, 5 * mb);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
  EXPECT_EQ(resident(), names{"a"});
}

TEST_F(Trial, WhatWouldBeMappedIsPrivateWithoutItsCopy) {
  add("a");
  artifacts["a"].mapping = 1;
  start();
  load_model("a");
  optimize("a");
  EXPECT_EQ(report().memory.used_bytes, 20 * mb);
  end_trial(measured("a"));
}

TEST_F(Trial, EvictsNobody) {
  add("a", 60 * mb);
  add("b", 50 * mb);
  start();
  load_model("a");
  EXPECT_EQ(optimize("b").get().error().code, error_code::insufficient_memory);
  EXPECT_TRUE(trials.empty());
  EXPECT_EQ(resident(), names{"a"});
  unload_model("a");
  auto o = optimize("b");
  end_trial(measured("b"));
  EXPECT_TRUE(o.get());
}

TEST_F(Trial, ALoadThatWaitsForItsMemoryGetsItAfterwards) {
  add("a", 60 * mb);
  add("b", 50 * mb);
  start();
  optimize("a");
  auto l = load_model("b");
  EXPECT_FALSE(l.here());
  end_trial(measured("a"));
  EXPECT_TRUE(l.get());
}

TEST_F(Trial, OneModelAtATimeAndAllWhoAskForItAreTold) {
  add("a");
  add("b");
  start();
  auto first = optimize("a"), second = optimize("a");
  EXPECT_EQ(trials.size(), 1u);
  const auto other = optimize("b").get().error();
  EXPECT_EQ(other.code, error_code::too_many_requests);
  EXPECT_EQ(other.message, "Model a is being optimized");
  end_trial(measured("a"));
  EXPECT_TRUE(first.get() && second.get());
  optimize("b");
  EXPECT_EQ(trials.size(), 1u);
  end_trial(measured("b"));
}

TEST_F(Trial, WhoeverWaitsIsToldInTimeAndItGoesOn) {
  add("a");
  start();
  auto o = optimize("a", 1000);
  time.pass(2s);
  EXPECT_EQ(o.get().error().code, error_code::deadline_exceeded);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
  end_trial(measured("a"));
  EXPECT_EQ(report().memory.used_bytes, 0u);
}

TEST_F(Trial, AFailureIsToldAndForgotten) {
  add("a");
  start();
  auto o = optimize("a");
  end_trial(tl::unexpected(error{error_code::unprocessable, "a tensor is missing", {}, {}}));
  EXPECT_EQ(o.get().error().message, "a tensor is missing");
  EXPECT_EQ(report().memory.used_bytes, 0u);
  EXPECT_TRUE(load_model("a").get());
  EXPECT_EQ(optimize("nobody").get().error().code, error_code::model_not_found);
}

TEST_F(Trial, AModelThatLeavesTheRegistryIsCalledOff) {
  add("a");
  start();
  optimize("a");
  registry.models.erase("a");
  change_registry();
  EXPECT_TRUE(trials.front().order->cancelled->load());
  end_trial(tl::unexpected(error{error_code::cancelled, "called off", {}, {}}));
  EXPECT_EQ(report().memory.used_bytes, 0u);
}

TEST_F(Trial, AStopTellsWhoeverWaits) {
  add("a");
  start();
  auto o = optimize("a");
  caf::anon_send(sup, stop_atom::value);
  time.settle();
  EXPECT_EQ(o.get().error().code, error_code::unavailable);
  EXPECT_TRUE(trials.front().order->cancelled->load());
  sup = nullptr;
}

}  // namespace
}  // namespace troupe::actors
