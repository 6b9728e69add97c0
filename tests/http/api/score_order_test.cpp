#include "http/api/score_order.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace troupe::http {
namespace {

using places = std::vector<std::uint32_t>;

TEST(score_order, falling_and_the_same_ones_in_their_order) {
  EXPECT_EQ(by_falling_score(std::vector<float>{}), places{});
  EXPECT_EQ(by_falling_score(std::vector<float>{0.1F, 0.7F, 0.2F, 0.7F}), (places{1, 3, 2, 0}));
  EXPECT_EQ(by_falling_score(std::vector<float>{0.1F, 0.7F, 0.2F, 0.7F}, 2), (places{1, 3}));
  EXPECT_EQ(by_falling_score(std::vector<float>{0.1F, 0.7F}, 9), (places{1, 0}));
}

TEST(score_order, what_is_no_number_is_last) {
  const float no_number = std::nanf(""), most = std::numeric_limits<float>::infinity();
  EXPECT_EQ(by_falling_score(std::vector<float>{no_number, -most, no_number, 1, most}), (places{4, 3, 1, 0, 2}));
}

}  // namespace
}  // namespace troupe::http
