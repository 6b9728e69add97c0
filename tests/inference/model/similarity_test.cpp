#include "inference/model/similarity.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace troupe::inference {
namespace {

using vec = std::vector<float>;

TEST(Cosine, TellsTheAngleWhateverTheLengths) {
  EXPECT_FLOAT_EQ(cosine(vec{1, 0}, vec{3, 0}), 1);
  EXPECT_FLOAT_EQ(cosine(vec{1, 0}, vec{0, 2}), 0);
  EXPECT_FLOAT_EQ(cosine(vec{1, 2}, vec{-2, -4}), -1);
  EXPECT_FLOAT_EQ(cosine(vec{1, 1}, vec{1, 0}), std::sqrt(0.5F));
}

TEST(Cosine, NeverLeavesItsBounds) {
  for (int i = 1; i < 400; ++i) {
    vec v;
    for (int k = 0; k < i; ++k) v.push_back(std::sin(static_cast<float>(i * k)) * 1e-3F);
    EXPECT_LE(cosine(v, v), 1.0F);
    EXPECT_GE(cosine(v, v), v.size() == 1 ? 0.0F : 0.99999F);
  }
}

TEST(Cosine, ExtremeNumbersDoNotOverflowOrVanish) {
  EXPECT_FLOAT_EQ(cosine(vec{3e38F, 3e38F}, vec{3e38F, 3e38F}), 1);
  EXPECT_FLOAT_EQ(cosine(vec{1e-40F, 0}, vec{1e-40F, 0}), 1);
}

TEST(Cosine, OfNothingIsZeroAndOfNoNumberNone) {
  EXPECT_EQ(cosine(vec{0, 0}, vec{1, 2}), 0);
  EXPECT_EQ(cosine(vec{}, vec{}), 0);
  EXPECT_TRUE(std::isnan(cosine(vec{1}, vec{1, 2})));
  EXPECT_TRUE(std::isnan(cosine(vec{std::nanf("")}, vec{1})));
  EXPECT_TRUE(std::isnan(cosine(vec{1}, vec{std::numeric_limits<float>::infinity()})));
  EXPECT_TRUE(std::isnan(cosine(vec{std::numeric_limits<float>::infinity()}, vec{0})));
}

}  // namespace
}  // namespace troupe::inference
