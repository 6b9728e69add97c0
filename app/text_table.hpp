#pragma once
// Text for people on a terminal: widths, tables, sizes, times. Pure functions.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::app {

// Columns that a terminal needs for it.
std::size_t display_width(std::string_view utf8) noexcept;
// At most so many columns; what is longer loses its middle.
std::string shortened(std::string_view utf8, std::size_t columns, bool with_utf8);
// Each character that is not ASCII as `?`.
std::string as_ascii(std::string_view utf8);

// Columns side by side, as wide as their widest cell; an empty cell is `-`. Cells may hold anything: they are escaped.
using table_row = std::vector<std::string>;
std::string text_table(const table_row& head, const std::vector<table_row>& rows);

std::string human_bytes(std::uint64_t bytes);     // "512 B", "1.2 GiB"
std::string human_seconds(double seconds);        // "42s", "1m20s", "2h05m", "3d04h"
std::string human_ago(std::chrono::seconds ago);  // "just now", "3 days ago"

}  // namespace troupe::app
