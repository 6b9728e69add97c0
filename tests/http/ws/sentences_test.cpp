#include "http/ws/sentences.hpp"

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
}

}  // namespace
}  // namespace troupe::http::tests
