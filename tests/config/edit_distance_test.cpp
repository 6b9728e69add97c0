#include "config/edit_distance.hpp"

#include <gtest/gtest.h>

namespace troupe::config {
namespace {

TEST(EditDistance, CountsEditsUpToABound) {
  EXPECT_EQ(edit_distance("bert", "bert", 3), 0u);
  EXPECT_EQ(edit_distance("bert", "brt", 3), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting", 3), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting", 2), 3u);
  EXPECT_EQ(edit_distance("", "abcdef", 2), 3u);
}

}  // namespace
}  // namespace troupe::config
