// Lanes of numbers, and what follows a product in them, against one number at a time.

#include <cmath>
#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "inference/model/half.hpp"
#include "inference/torch/activation_lanes.hpp"

namespace troupe::inference {
namespace {

constexpr unsigned seed = 20;

TEST(lanes, are_read_and_rounded_as_numbers_are) {
  std::mt19937 random(seed);
  for (int turn = 0; turn < 20'000; ++turn) {
    std::uint32_t bits[lane_count];
    float numbers[lane_count];
    std::uint16_t halves[lane_count];
    for (std::int64_t i = 0; i < lane_count; ++i)
      bits[i] = turn % 2 == 0 ? random() : random() | 0x7f800000U;  // or no number
    std::memcpy(numbers, bits, sizeof numbers);
    lanes x, back;
    read(numbers, x);
    write(x, halves);
    read(halves, back);
    for (std::int64_t i = 0; i < lane_count; ++i) {
      EXPECT_EQ(std::isnan(bf16_to_float(halves[i])), std::isnan(numbers[i])) << bits[i];
      if (std::isnan(numbers[i])) continue;
      EXPECT_EQ(halves[i], float_to_bf16(numbers[i])) << bits[i];
      EXPECT_EQ(back[i], bf16_to_float(halves[i])) << bits[i];
    }
  }
}

TEST(lanes, add_up) {
  lanes x;
  for (int i = 0; i < lane_count; ++i) x[i] = static_cast<float>(1 << i);
  EXPECT_EQ(sum_of(x), 65535);
}

struct wanted {
  void (*apply)(lanes&);
  double (*of)(double);
};

TEST(lanes, activations_are_what_they_are_called) {
  const wanted all[] = {
      {[](lanes& x) { apply_relu(x); }, [](double x) { return x > 0 ? x : 0.0; }},
      {[](lanes& x) { apply_gelu(x); }, [](double x) { return x / 2 * std::erfc(-x / std::sqrt(2.0)); }},
      {[](lanes& x) { apply_silu(x); }, [](double x) { return x / (1 + std::exp(-x)); }},
      {[](lanes& x) { apply_gelu_tanh(x); },
       [](double x) { return x / (1 + std::exp(-2 * std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x))); }}};
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> some(-12, 12);
  for (const auto& w : all) {
    for (int turn = 0; turn < 2'000; ++turn) {
      lanes x, y;
      for (int i = 0; i < lane_count; ++i) x[i] = some(random);
      y = x;
      w.apply(y);
      for (int i = 0; i < lane_count; ++i) {
        const auto exact = w.of(static_cast<double>(x[i]));
        EXPECT_NEAR(static_cast<double>(y[i]), exact, 1e-4 * std::fabs(exact) + 1e-6) << x[i];
      }
    }
    lanes extreme{NAN, INFINITY, -1e30F, 1e30F, 0.0F};
    w.apply(extreme);
    EXPECT_TRUE(std::isnan(extreme[0]));
    EXPECT_EQ(extreme[1], INFINITY);
    EXPECT_NEAR(extreme[2], 0, 1e-6);
    EXPECT_NEAR(extreme[3], 1e30F, 1e24F);
    EXPECT_EQ(extreme[4], 0);
  }
}

}  // namespace
}  // namespace troupe::inference
