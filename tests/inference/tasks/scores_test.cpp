#include "inference/tasks/scores.hpp"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

namespace troupe::inference {
namespace {

std::vector<float> applied(score_function function, std::vector<float> values) {
  apply_score_function(function, values);
  return values;
}

TEST(score_functions, are_what_they_are_called) {
  const std::vector<float> logits{0.5F, -2, 3};
  EXPECT_EQ(applied(score_function::none, logits), logits);
  const auto each = applied(score_function::sigmoid, logits), all = applied(score_function::softmax, logits);
  double sum = 0;
  for (const double l : logits) sum += std::exp(l);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    EXPECT_NEAR(each[i], 1 / (1 + std::exp(-static_cast<double>(logits[i]))), 1e-6);
    EXPECT_NEAR(all[i], std::exp(static_cast<double>(logits[i])) / sum, 1e-6);
  }
  EXPECT_NEAR(std::accumulate(all.begin(), all.end(), 0.0), 1, 1e-6);
}

TEST(score_functions, large_logits_do_not_overflow) {
  EXPECT_EQ(applied(score_function::softmax, {1000, 0, -1000}), (std::vector<float>{1, 0, 0}));
  EXPECT_EQ(applied(score_function::softmax, {-1000, -1000}), (std::vector<float>{0.5F, 0.5F}));
  EXPECT_EQ(applied(score_function::softmax, {3e38F, 3e38F, -3e38F}), (std::vector<float>{0.5F, 0.5F, 0}));
  EXPECT_EQ(applied(score_function::sigmoid, {1000, -1000}), (std::vector<float>{1, 0}));
  EXPECT_EQ(applied(score_function::softmax, {-1000}), std::vector<float>{1});
  EXPECT_EQ(applied(score_function::sigmoid, {0}), std::vector<float>{0.5F});
}

TEST(score_functions, of_a_long_line_sum_to_one) {
  const auto scores = applied(score_function::softmax, std::vector<float>(250'000, 0.25F));
  EXPECT_NEAR(std::accumulate(scores.begin(), scores.end(), 0.0), 1, 1e-6);
}

TEST(score_functions, of_nothing_give_nothing) {
  for (const auto function : {score_function::none, score_function::sigmoid, score_function::softmax})
    EXPECT_TRUE(applied(function, {}).empty());
}

TEST(score_functions, what_is_no_number_spoils_the_whole_softmax_and_nothing_else) {
  for (const auto& logits : {std::vector<float>{NAN, 1}, {1, NAN}, {INFINITY, 1}})
    for (const float score : applied(score_function::softmax, logits)) EXPECT_TRUE(std::isnan(score));
  const auto each = applied(score_function::sigmoid, {NAN, 0});
  EXPECT_TRUE(std::isnan(each[0]));
  EXPECT_EQ(each[1], 0.5F);
}

TEST(largest_of, is_numpy_s_argmax) {
  const auto at = [](std::vector<float> v) { return largest_of(v); };
  EXPECT_EQ(at({1}), 0U);
  EXPECT_EQ(at({1, 3, 3}), 1U);
  EXPECT_EQ(at({1, NAN, 3, NAN}), 1U);
  EXPECT_EQ(at({-INFINITY, -INFINITY}), 0U);
}

}  // namespace
}  // namespace troupe::inference
