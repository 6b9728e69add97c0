#include "app/text_table.hpp"

#include <gtest/gtest.h>

namespace troupe::app {
namespace {

using namespace std::chrono_literals;

TEST(text_table, sizes_for_people) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(1048575), "1.0 MiB");  // and not 1024.0 KiB
  EXPECT_EQ(human_bytes(95420416), "91.0 MiB");
  EXPECT_EQ(human_bytes(1288490189), "1.2 GiB");
  EXPECT_EQ(human_bytes(~std::uint64_t{0}), "16.0 EiB");
}

TEST(text_table, times_for_people) {
  EXPECT_EQ(human_seconds(-1), "0s");
  EXPECT_EQ(human_seconds(0.2), "1s");
  EXPECT_EQ(human_seconds(59), "59s");
  EXPECT_EQ(human_seconds(80), "1m20s");
  EXPECT_EQ(human_seconds(3600), "1h00m");
  EXPECT_EQ(human_seconds(3 * 86400 + 4 * 3600), "3d04h");
  EXPECT_EQ(human_seconds(std::numeric_limits<double>::infinity()), human_seconds(1e9));
  EXPECT_EQ(human_seconds(std::numeric_limits<double>::quiet_NaN()), "0s");
}

TEST(text_table, ages_for_people) {
  EXPECT_EQ(human_ago(-10s), "just now");
  EXPECT_EQ(human_ago(4s), "just now");
  EXPECT_EQ(human_ago(59s), "59 seconds ago");
  EXPECT_EQ(human_ago(60s), "1 minute ago");
  EXPECT_EQ(human_ago(36h), "1 day ago");
  EXPECT_EQ(human_ago(24h * 13), "1 week ago");
  EXPECT_EQ(human_ago(24h * 800), "2 years ago");
}

TEST(text_table, columns_are_as_wide_as_their_widest_cell) {
  EXPECT_EQ(text_table({"NAME", "SIZE"}, {}), "NAME  SIZE\n");
  EXPECT_EQ(text_table({"NAME", "SIZE", "TASK"}, {{"org/model", "1 B", ""}, {"x", "1.0 KiB", "t"}}),
            "NAME       SIZE     TASK\n"
            "org/model  1 B      -\n"
            "x          1.0 KiB  t\n");
  // Wide characters, and what a terminal would obey.
  EXPECT_EQ(text_table({"N", "M"}, {{"\xE6\xA8\xA1", "a"}, {"\x1B[2J", "b"}}),
            "N        M\n"
            "\xE6\xA8\xA1       a\n"
            "\\x1b[2J  b\n");
}

TEST(text_table, what_is_too_long_loses_its_middle) {
  EXPECT_EQ(shortened("model.safetensors", 17, true), "model.safetensors");
  EXPECT_EQ(shortened("model.safetensors", 9, true), "mode\xE2\x80\xA6sors");
  EXPECT_EQ(shortened("model.safetensors", 9, false), "mod..sors");
  EXPECT_EQ(shortened("abc", 1, true), ".");
  EXPECT_EQ(shortened("abc", 0, true), "");
  // No half of a wide character: seven columns at most.
  const std::string wide = "\xE6\xA8\xA1\xE6\xA8\xA1\xE6\xA8\xA1\xE6\xA8\xA1\xE6\xA8\xA1";
  for (std::size_t columns = 0; columns <= 10; ++columns) {
    EXPECT_LE(display_width(shortened(wide, columns, true)), columns);
    EXPECT_LE(display_width(shortened(wide, columns, false)), columns);
  }
  EXPECT_EQ(as_ascii("a\xC3\xA9\xE6\xA8\xA1\xFFz"), "a???z");
}

}  // namespace
}  // namespace troupe::app
