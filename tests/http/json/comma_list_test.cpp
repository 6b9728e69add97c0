#include "http/json/comma_list.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace troupe::http {
namespace {

std::vector<std::string> items(std::string_view list, std::string_view last = "no such item") {
  std::vector<std::string> out;
  const bool found = any_of_list(list, [&](std::string_view item) {
    out.emplace_back(item);
    return item == last;
  });
  EXPECT_EQ(found, !out.empty() && out.back() == last);
  return out;
}

TEST(comma_list, is_read_in_order) {
  using list = std::vector<std::string>;
  EXPECT_EQ(items(""), list{});
  EXPECT_EQ(items("a"), list{"a"});
  EXPECT_EQ(items(" a\t, b ;q=1 ,c"), (list{"a", "b ;q=1", "c"}));
  EXPECT_EQ(items(","), list{""});
  EXPECT_EQ(items("a,,b,"), (list{"a", "", "b"}));
}

TEST(comma_list, ends_with_the_one_that_is_looked_for) {
  EXPECT_EQ(items("a, b, c", "b"), (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace troupe::http
