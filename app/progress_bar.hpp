#pragma once
// What a pull looks like while it runs: bars for a terminal, or words. Pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::app {

struct file_bar {
  std::string path;  // as the source calls it: anything
  std::uint64_t done = 0;
  std::optional<std::uint64_t> total;
};

struct progress_view {
  std::string message;  // for people; what happens now
  std::vector<file_bar> files;
  double bytes_per_s = 0;
  std::optional<double> left_s;
};

struct terminal_shape {
  unsigned columns = 80, rows = 24;
  bool utf8 = true;
};

std::uint64_t bytes_done(const progress_view& v) noexcept;
std::optional<std::uint64_t> bytes_total(const progress_view& v) noexcept;  // null: not all are known

// `columns` wide; `done` of `total`.
std::string draw_bar(std::uint64_t done, std::uint64_t total, std::size_t columns, bool utf8);
// A line a file, and one of all: none wider than the terminal less one column, and no more than it has rows. Where
// there are too many files, those that are done are left out first.
std::vector<std::string> draw(const progress_view& v, const terminal_shape& shape);
// "34 % of 1.2 GiB, 12.0 MiB/s, 1m20s left"
std::string in_words(const progress_view& v);

}  // namespace troupe::app
