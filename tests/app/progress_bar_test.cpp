#include "app/progress_bar.hpp"

#include <random>

#include <gtest/gtest.h>

#include "app/text_table.hpp"

namespace troupe::app {
namespace {

constexpr std::uint64_t mib = 1048576;

progress_view two_files() {
  progress_view v;
  v.message = "Downloading";
  v.files = {{"config.json", 600, 600}, {"model.safetensors", 45 * mib, 90 * mib}};
  v.bytes_per_s = 12 * mib;
  v.left_s = 3.7;
  return v;
}

TEST(progress_bar, a_bar_is_as_wide_as_it_is_told) {
  EXPECT_EQ(draw_bar(0, 10, 12, false), "[..........]");
  EXPECT_EQ(draw_bar(5, 10, 12, false), "[#####.....]");
  EXPECT_EQ(draw_bar(10, 10, 12, false), "[##########]");
  EXPECT_EQ(draw_bar(99, 10, 12, false), "[##########]");  // more than was told
  EXPECT_EQ(draw_bar(0, 0, 12, false), "[##########]");    // an empty file
  EXPECT_EQ(draw_bar(1, 2, 1, false), " ");
  EXPECT_EQ(draw_bar(1, 4, 6, true), "\xE2\x96\x95\xE2\x96\x88   \xE2\x96\x8F");
  EXPECT_EQ(draw_bar(3, 32, 6, true), "\xE2\x96\x95\xE2\x96\x8D   \xE2\x96\x8F");
  for (std::uint64_t done = 0; done <= 64; ++done) EXPECT_EQ(display_width(draw_bar(done, 64, 20, true)), 20u) << done;
}

TEST(progress_bar, a_line_a_file_and_one_of_all) {
  const auto lines = draw(two_files(), {.columns = 101, .rows = 24, .utf8 = false});
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], "config.json        [######################################]  100%  600 B of 600 B");
  EXPECT_EQ(lines[1], "model.safetensors  [###################...................]   50%  45.0 MiB of 90.0 MiB");
  EXPECT_EQ(lines[2],
            "all                [###############...............]   50%  45.0 MiB of 90.0 MiB  12.0 MiB/s  4s left");
}

TEST(progress_bar, before_the_plan_there_is_what_happens) {
  progress_view v;
  v.message = "Asking the source";
  EXPECT_EQ(draw(v, {}), std::vector<std::string>{"Asking the source"});
  EXPECT_EQ(in_words(v), "Asking the source");
}

TEST(progress_bar, nothing_is_wider_or_higher_than_the_terminal) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto up_to = [&](std::uint64_t most) { return random() % (most + 1); };
  for (int round = 0; round < 500; ++round) {
    progress_view v;
    v.message = std::string(up_to(60), 'm');
    v.bytes_per_s = static_cast<double>(up_to(1ull << 34));
    if (up_to(1) == 0) v.left_s = static_cast<double>(up_to(100000));
    for (auto n = up_to(60); n > 0; --n) {
      file_bar f;
      for (auto c = up_to(30); c > 0; --c) f.path += up_to(3) == 0 ? "\xE6\xA8\xA1" : up_to(5) == 0 ? "\x1B[2J" : "a";
      f.done = up_to(1ull << 40);
      if (up_to(3) != 0) f.total = up_to(1ull << 40);
      v.files.push_back(f);
    }
    const terminal_shape shape{static_cast<unsigned>(up_to(130)), static_cast<unsigned>(up_to(40)), up_to(1) == 0};
    const auto lines = draw(v, shape);
    EXPECT_LT(lines.size(), std::max(shape.rows, 4u));
    for (const auto& line : lines) {
      EXPECT_LT(display_width(line), std::max(shape.columns, 11u)) << line;
      EXPECT_EQ(line.find('\x1B'), std::string::npos);
      if (!shape.utf8) {
        EXPECT_EQ(line, as_ascii(line));
      }
    }
  }
}

TEST(progress_bar, what_is_done_gives_way_to_what_is_under_way) {
  progress_view v;
  for (int i = 0; i < 10; ++i) v.files.push_back({"done" + std::to_string(i), 5, 5});
  v.files.push_back({"waits", 0, 5});
  v.files.push_back({"runs", 2, 5});
  const auto lines = draw(v, {.columns = 60, .rows = 5, .utf8 = false});
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_TRUE(lines[0].starts_with("waits ")) << lines[0];
  EXPECT_TRUE(lines[1].starts_with("runs ")) << lines[1];
  EXPECT_EQ(lines[2], "and 10 more files");
  EXPECT_TRUE(lines[3].starts_with("all ")) << lines[3];
}

TEST(progress_bar, hundred_percent_is_said_when_all_is_there) {
  progress_view v;
  v.files = {{"f", 999999999, 1000000000}};
  EXPECT_EQ(in_words(v), "99 % of 953.7 MiB");
  v.message = "Putting it into the store";
  v.files[0].done = 1000000000;
  EXPECT_EQ(in_words(v), "Putting it into the store");
  v.files.push_back({"of unknown size", 1024, {}});
  EXPECT_EQ(in_words(v), "953.7 MiB");
  EXPECT_EQ(bytes_total(v), std::nullopt);
  EXPECT_EQ(in_words(two_files()), "50 % of 90.0 MiB, 12.0 MiB/s, 4s left");
}

}  // namespace
}  // namespace troupe::app
