#include "http/json/sentences.hpp"

#include <gtest/gtest.h>

namespace troupe::http::tests {
namespace {

TEST(sentences, follow_each_other) {
  std::string text;
  append_sentence(text, " one two");
  append_sentence(text, " three ");
  append_sentence(text, " ");
  append_sentence(text, "四五");
  append_sentence(text, "six");
  EXPECT_EQ(text, "one two three四五six");
  text = "voilà";
  append_sentence(text, "élan");
  EXPECT_EQ(text, "voilà élan");
}

TEST(sentences, what_stands_between) {
  EXPECT_EQ(between("", "a"), "");
  EXPECT_EQ(between("a.", "b"), " ");
  EXPECT_EQ(between("a. ", "b"), "");
  EXPECT_EQ(between("你", "好"), "");
  EXPECT_EQ(between("a", "好"), "");
  EXPECT_EQ(between("你。", "a"), "");
  EXPECT_EQ(between("é", "ж"), " ");
}

}  // namespace
}  // namespace troupe::http::tests
