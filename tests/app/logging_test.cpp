#include "app/logging.hpp"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

namespace troupe::app {
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

TEST(logging, a_thread_may_log_through_the_end) {
  config::settings s;
  s.log_format = "json";
  testing::internal::CaptureStderr();
  start_logging(s);
  spdlog::info("first\n\"line\"");
  spdlog::debug("below the level");
  std::atomic<bool> ended{false};
  std::thread late([&] {
    while (!ended) {  // not so many that the queue drops what came first
      spdlog::info("late");
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  stop_logging();
  spdlog::info("last");
  ended = true;
  late.join();
  const auto text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find(R"("level":"info","message":"first\u000a\"line\""})"), std::string::npos) << text.substr(0, 300);
  EXPECT_NE(text.find(R"("message":"last"})"), std::string::npos);
  EXPECT_EQ(text.find("below"), std::string::npos);
}

}  // namespace
}  // namespace troupe::app
