#include "actors/sessions/live_load.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;
using answer = live_load::answer;
using stage = live_load::stage;

TEST(LiveLoad, NothingIsKnownBeforeTheFirstStep) {
  const live_load load({.max_sessions = 3, .max_share = 0.5}, 2);
  EXPECT_EQ(load.share_of({100, 100}), 0);
  EXPECT_EQ(load.admit(2, {2, 2}), answer::welcome);
  EXPECT_EQ(load.admit(3, {0, 0}), answer::too_many);
}

void run(live_load& load, int steps, std::chrono::microseconds share) {
  for (int i = 0; i < steps; ++i) load.ran(stage::recognising, share, 600ms);
}

TEST(LiveLoad, ASessionCostsItsStepsShareOfRealTime) {
  live_load load({.max_sessions = 100, .max_share = 0.8}, 2);
  run(load, 15, 60ms);  // a tenth of a slot
  EXPECT_EQ(load.share_of({4, 4}), 0) << "a few steps tell nothing";
  run(load, 1, 60ms);
  EXPECT_DOUBLE_EQ(load.share_of({4, 4}), 0.2);
  EXPECT_EQ(load.admit(15, {15, 15}), answer::welcome);  // 16 of them are 0.8
  EXPECT_EQ(load.admit(16, {16, 16}), answer::too_slow);
  EXPECT_EQ(load.admit(50, {0, 0}), answer::welcome) << "who is silent costs nothing";
}

TEST(LiveLoad, WhoDoesNotSpeakCostsVoiceActivityAlone) {
  live_load load({.max_sessions = 2000, .max_share = 0.8}, 1);
  run(load, 16, 60ms);
  for (int i = 0; i < 100; ++i) load.ran(stage::listening, 100us, 200ms);  // many more of them, and cheap
  EXPECT_DOUBLE_EQ(load.share_of({100, 2}), 100 * 0.0005 + 2 * 0.1);
  EXPECT_EQ(load.admit(1000, {1000, 1}), answer::welcome);
  EXPECT_EQ(load.admit(1000, {1000, 3}), answer::too_slow);
}

TEST(LiveLoad, LearnsThatStepsBecameCheaper) {
  live_load load({.max_sessions = 1000, .max_share = 0.8}, 1);
  run(load, 63, 60ms);
  run(load, 63, 6ms);
  EXPECT_DOUBLE_EQ(load.share_of({1, 1}), 0.01);
  for (int i = 0; i < 63; ++i) load.ran(stage::recognising, 5ms, 0ms);  // of the end: no sound was in it
  EXPECT_DOUBLE_EQ(load.share_of({1, 1}), 0.01);
}

TEST(LiveLoad, AFewSlowStepsRefuseNobody) {
  live_load load({.max_sessions = 100, .max_share = 0.8}, 1);
  run(load, 7, 590ms);
  run(load, 13, 6ms);
  EXPECT_DOUBLE_EQ(load.share_of({1, 1}), 0.01);
}

TEST(LiveLoad, OneIsHeardHoweverSlowTheCoresAre) {
  live_load load({.max_sessions = 100, .max_share = 0.8}, 1);
  run(load, 63, 1200ms);
  EXPECT_EQ(load.admit(0, {0, 0}), answer::welcome);
  EXPECT_EQ(load.admit(1, {1, 1}), answer::too_slow);
}

}  // namespace
}  // namespace troupe::actors
