#include "config/names.hpp"

#include <gtest/gtest.h>

namespace troupe::config {
namespace {

const reserved_names reserved{.first = {"download"}, .actions = {"load"}};

TEST(names, accepted) {
  for (const std::string name : {"a", "Z9", "bert-base-uncased_pretrained", "v1.0-model", "org/name", "a.b_c-d",
                                 "openai-community/gpt2", "0", "loader", "downloads/x", "info.2/x"}) {
    EXPECT_TRUE(check_model_name(name)) << name;
    EXPECT_TRUE(check_registered_name(name, reserved)) << name;
  }
  EXPECT_TRUE(check_registered_name(std::string(128, 'a'), reserved));
}

TEST(names, refused_everywhere) {
  for (const std::string name : {"",       "-a",   ".a",   "_a",  "a/b/c", "/a",   "a/",  "a//b",     "a..b", "..",
                                 "../etc", "a/..", "a/.b", "a b", "a%2Fb", "a\\b", "a:b", "\xC3\xA9", "a\n",  "a?b"}) {
    EXPECT_FALSE(check_model_name(name)) << name;
    EXPECT_FALSE(check_registered_name(name, reserved)) << name;
  }
  EXPECT_FALSE(check_model_name(std::string(129, 'a')));
  EXPECT_FALSE(check_model_name(std::string("a\0b", 3)));
}

TEST(names, errors_say_the_rule) {
  EXPECT_EQ(check_model_name("a..b").error().code, error_code::bad_request);
  EXPECT_NE(check_model_name("a..b").error().message.find("'..'"), std::string::npos);
  EXPECT_NE(check_model_name("").error().message.find("empty"), std::string::npos);
  EXPECT_FALSE(check_model_name("").error().detail.empty());
}

// Which they are, the routes say: tests/http/core/reserved_names_test.cpp.
TEST(names, reserved_ones_may_be_sent_but_not_registered) {
  for (const std::string name : {"download", "download/x", "load", "org/load"}) {
    EXPECT_TRUE(check_model_name(name)) << name;
    EXPECT_FALSE(check_registered_name(name, reserved)) << name;
  }
  for (const std::string name : {"x/download", "load/x"}) EXPECT_TRUE(check_registered_name(name, reserved)) << name;
}

TEST(names, of_one_part_are_not_taken_apart) {
  const reserved_names behind{.first = {}, .actions = {}, .behind = {"copy"}};
  EXPECT_TRUE(check_registered_name("copy", behind));
  EXPECT_TRUE(check_registered_name("copy/x", behind));
  EXPECT_FALSE(check_registered_name("org/copy", behind));
}

}  // namespace
}  // namespace troupe::config
