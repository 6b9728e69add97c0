#include "app/progress_display.hpp"

#include <cstdlib>

#include <gtest/gtest.h>

namespace troupe::app {
namespace {

using namespace std::chrono_literals;

struct screen {
  std::optional<terminal_shape> shape = terminal_shape{60, 24, false};
  std::string text;
  steady_time now{};
  progress_display display{
      {[this] { return shape; }, [this](std::string_view t) { text += t; }, [this] { return now; }}};
  std::string shown(const progress_view& v) {
    text.clear();
    display.show(v);
    return text;
  }
};

progress_view of_files(int count, std::uint64_t done) {
  progress_view v;
  v.message = "Downloading";
  for (int i = 0; i < count; ++i) v.files.push_back({"f" + std::to_string(i), done, 1000});
  return v;
}

TEST(progress_display, is_redrawn_in_place_and_taken_away) {
  screen s;
  const auto first = s.shown(of_files(2, 100));
  EXPECT_EQ(first.rfind("\x1b[2Kf0 ", 0), 0u) << first;
  s.now += 100ms;
  EXPECT_EQ(s.shown(of_files(2, 200)).rfind("\x1b[3A\x1b[2Kf0 ", 0), 0u);  // two files and all
  s.now += 100ms;
  const auto less = s.shown(of_files(1, 200));
  EXPECT_TRUE(less.ends_with("\n\x1b[J")) << less;
  s.text.clear();
  s.display.clear();
  EXPECT_EQ(s.text, "\x1b[2A\x1b[J");
  s.text.clear();
  s.display.clear();
  EXPECT_EQ(s.text, "");
}

TEST(progress_display, is_drawn_ten_times_a_second_at_most) {
  screen s;
  EXPECT_NE(s.shown(of_files(1, 100)), "");
  s.now += 99ms;
  EXPECT_EQ(s.shown(of_files(1, 200)), "");
  s.now += 1ms;
  EXPECT_NE(s.shown(of_files(1, 300)), "");
}

TEST(progress_display, writes_lines_where_there_is_no_terminal) {
  screen s;
  s.shape.reset();
  progress_view v;
  v.message = "Asking the source\x1B";
  EXPECT_EQ(s.shown(v), "Asking the source\\x1b\n");
  EXPECT_EQ(s.shown(of_files(2, 100)), "2 files: 10 % of 2.0 KiB\n");  // at once
  s.now += 4999ms;
  EXPECT_EQ(s.shown(of_files(2, 200)), "");
  s.now += 1ms;
  EXPECT_EQ(s.shown(of_files(2, 300)), "30 % of 2.0 KiB\n");
  s.now += 5s;
  EXPECT_EQ(s.shown(of_files(2, 300)), "");  // nothing new
  s.text.clear();
  s.display.clear();
  EXPECT_EQ(s.text, "");
}

TEST(progress_display, the_locale_says_whether_bars_are_drawn_in_utf8) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) unsetenv(name);
  EXPECT_FALSE(locale_is_utf8());
  setenv("LANG", "en_US.UTF-8", 1);
  EXPECT_TRUE(locale_is_utf8());
  setenv("LC_CTYPE", "C", 1);
  EXPECT_FALSE(locale_is_utf8());
  setenv("LC_ALL", "de_DE.utf8@euro", 1);
  EXPECT_TRUE(locale_is_utf8());
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) unsetenv(name);
}

}  // namespace
}  // namespace troupe::app
