#include "actors/serving/batch_time.hpp"

#include <random>

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

TEST(BatchTime, FindsTheLine) {
  batch_times t;
  for (int i = 0; i < 50; ++i)
    for (const auto x : {32.0, 128.0, 512.0}) t.observe(1, x, 1800 + 55 * x);
  EXPECT_NEAR(t.beside(1).fixed_us, 1800, 100);
  EXPECT_NEAR(t.beside(1).per_cost_us, 55, 1);
}

TEST(BatchTime, FindsItInNoiseAndPastABatchThatWasHeldUp) {
  std::mt19937_64 random(7);
  std::normal_distribution<> noise(1, 0.1);
  batch_times t;
  for (int i = 0; i < 200; ++i)
    for (const auto x : {32.0, 256.0, 512.0}) t.observe(1, x, (1800 + 55 * x) * noise(random));
  t.observe(1, 32, 200000);
  EXPECT_NEAR(t.beside(1).at(32), 1800 + 55 * 32, 600);
  EXPECT_NEAR(t.beside(1).at(512), 1800 + 55 * 512, 3000);
}

TEST(BatchTime, EqualSizesKeepTheProportion) {
  batch_times t;
  for (int i = 0; i < 30; ++i)
    for (const auto x : {32.0, 512.0}) t.observe(1, x, 1000 + 50 * x);
  // The machine becomes half as fast, and all batches are of one size.
  for (int i = 0; i < 500; ++i) t.observe(1, 512, 2 * (1000 + 50 * 512));
  EXPECT_NEAR(t.beside(1).at(512), 2 * (1000 + 50 * 512), 200);
  EXPECT_NEAR(t.beside(1).fixed_us, 2000, 800);
}

TEST(BatchTime, HoldsForDaysOfNoise) {
  std::mt19937_64 random(11);
  std::normal_distribution<> noise(1, 0.25);
  for (const bool one_size : {true, false}) {
    batch_times t;
    for (int i = 0; i < 1000000; ++i) {
      const double x = one_size ? 256.0 : std::vector{32.0, 256.0, 512.0}[static_cast<std::size_t>(i % 3)];
      t.observe(1, x, (200 + 3 * x) * std::max(0.1, noise(random)));
    }
    EXPECT_NEAR(t.beside(1).at(256), 200 + 3 * 256, 150);
    if (!one_size) {
      EXPECT_NEAR(t.beside(1).at(32), 200 + 3 * 32, 120);
    }
  }
}

TEST(BatchTime, NeverNegativeTerms) {
  batch_times t;
  // Larger batches that are cheaper than a line through the origin, then ones that are dearer.
  for (int i = 0; i < 50; ++i) {
    t.observe(1, 100, 10000);
    t.observe(1, 200, 9000);
  }
  EXPECT_GT(t.beside(1).per_cost_us, 0);
  EXPECT_GE(t.beside(1).fixed_us, 0);
  for (int i = 0; i < 50; ++i) {
    t.observe(1, 100, 1000);
    t.observe(1, 200, 9000);
  }
  EXPECT_GT(t.beside(1).per_cost_us, 0);
  EXPECT_GE(t.beside(1).fixed_us, 0);
}

TEST(BatchTime, ANumberOfSlotsThatWasNotSeenTakesTheNearestOneBelow) {
  batch_times t;
  EXPECT_FALSE(t.beside(1).known());
  t.observe(4, 10, 400);
  EXPECT_NEAR(t.beside(1).at(10), 400, 1) << "the nearest above, where there is none below";
  t.observe(1, 10, 100);
  EXPECT_NEAR(t.beside(2).at(10), 100, 1);
  EXPECT_NEAR(t.beside(16).at(10), 400, 1);
}

TEST(BatchTime, AGuessHoldsUntilSomethingWasSeen) {
  batch_times t;
  t.guess(10, 5000);
  EXPECT_NEAR(t.beside(2).at(10), 5000, 1);
  t.observe(1, 10, 100);
  EXPECT_NEAR(t.beside(2).at(10), 100, 1);
}

}  // namespace
}  // namespace troupe::actors
