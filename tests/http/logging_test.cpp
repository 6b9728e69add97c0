#include "http/logging.hpp"

#include <gtest/gtest.h>

namespace troupe::http {
namespace {

TEST(logging, terminal_lines_carry_no_control_characters) {
  EXPECT_EQ(escape_for_terminal("plain text \xC3\xA9"), "plain text \xC3\xA9");
  EXPECT_EQ(escape_for_terminal("a\nb\r\tc"), "a\\nb\\r\\tc");
  EXPECT_EQ(escape_for_terminal("\x1B[31mred\x7F"), "\\x1b[31mred\\x7f");
  EXPECT_EQ(escape_for_terminal("\xC2\x9B" "31m"), "\\x9b31m");  // C1: CSI in one character
  EXPECT_EQ(escape_for_terminal(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(escape_for_terminal("\xFF"), "\xEF\xBF\xBD");
}

TEST(logging, json_strings_are_escaped) {
  EXPECT_EQ(escape_for_json("say \"hi\" \\"), "say \\\"hi\\\" \\\\");
  EXPECT_EQ(escape_for_json("a\nb"), "a\\u000ab");
  EXPECT_EQ(escape_for_json("\x1B"), "\\u001b");
  EXPECT_EQ(escape_for_json("\xC0\xAF").find('\xC0'), std::string::npos);
}

TEST(logging, format_follows_the_setting) {
  config::settings s;
  s.log_format = "json";
  EXPECT_TRUE(logs_json(s));
  s.log_format = "human";
  EXPECT_FALSE(logs_json(s));
}

}  // namespace
}  // namespace troupe::http
