#include "app/text_table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include <utf8proc.h>

#include "app/logging.hpp"

namespace troupe::app {
namespace {

struct character {
  std::string_view bytes;
  std::size_t columns = 0;
};

// Calls `f` for each; a byte that is no UTF-8 is one of one column.
template <class F>
void each_character(std::string_view text, F f) {
  while (!text.empty()) {
    utf8proc_int32_t code = -1;
    const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                         static_cast<utf8proc_ssize_t>(text.size()), &code);
    const std::size_t size = length > 0 ? static_cast<std::size_t>(length) : 1;
    f(character{text.substr(0, size), length > 0 ? static_cast<std::size_t>(utf8proc_charwidth(code)) : 1});
    text.remove_prefix(size);
  }
}

std::string formatted(const char* format, double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), format, number);
  return text.data();
}

std::string two_units(std::uint64_t high, const char* high_unit, std::uint64_t low, const char* low_unit) {
  const auto small = std::to_string(low);
  return std::to_string(high) + high_unit + (small.size() < 2 ? "0" : "") + small + low_unit;
}

}  // namespace

std::size_t display_width(std::string_view utf8) noexcept {
  std::size_t columns = 0;
  each_character(utf8, [&](const character& c) { columns += c.columns; });
  return columns;
}

std::string shortened(std::string_view utf8, std::size_t columns, bool with_utf8) {
  const auto width = display_width(utf8);
  if (width <= columns) return std::string(utf8);
  const std::string mark = with_utf8 ? "\xE2\x80\xA6" : "..";
  const auto mark_width = display_width(mark);
  if (columns <= mark_width) return std::string(columns, '.');
  // The end tells files apart better than the beginning.
  const auto before = (columns - mark_width) / 2, after = columns - mark_width - before;
  std::string out;
  std::size_t at = 0, taken = 0, skipped_to = 0;
  bool marked = false;
  each_character(utf8, [&](const character& c) {
    if (!marked && taken + c.columns <= before) {
      out += c.bytes;
      taken += c.columns;
      skipped_to = at + c.columns;
    } else if (!marked) {
      out += mark;
      marked = true;
    }
    if (marked && at >= skipped_to && width - at <= after) out += c.bytes;
    at += c.columns;
  });
  return out;
}

std::string as_ascii(std::string_view utf8) {
  std::string out;
  each_character(utf8, [&](const character& c) {
    const auto first = static_cast<unsigned char>(c.bytes.front());
    out += first < 0x80 ? std::string(c.bytes) : "?";
  });
  return out;
}

std::string text_table(const table_row& head, const std::vector<table_row>& rows) {
  std::vector<table_row> all{head};
  for (const auto& row : rows) {
    auto& line = all.emplace_back();
    for (const auto& cell : row) line.push_back(cell.empty() ? "-" : escape_for_terminal(cell));
  }
  std::vector<std::size_t> widths(head.size(), 0);
  for (const auto& row : all)
    for (std::size_t i = 0; i < row.size(); ++i) widths.at(i) = std::max(widths.at(i), display_width(row[i]));
  std::string out;
  for (const auto& row : all) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - display_width(row[i]) + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string human_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  static constexpr std::array units{" KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
  auto amount = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (amount >= 1023.95 && unit + 1 < units.size()) {  // which would be shown as 1024.0
    amount /= 1024;
    ++unit;
  }
  return formatted("%.1f", amount) + units.at(unit);
}

std::string human_seconds(double seconds) {
  constexpr double most = 1e9;
  if (!(seconds > 0)) return "0s";
  const auto s = static_cast<std::uint64_t>(std::ceil(std::min(seconds, most)));
  if (s < 60) return std::to_string(s) + "s";
  if (s < 3600) return two_units(s / 60, "m", s % 60, "s");
  if (s < 86400) return two_units(s / 3600, "h", s % 3600 / 60, "m");
  return two_units(s / 86400, "d", s % 86400 / 3600, "h");
}

std::string human_ago(std::chrono::seconds ago) {
  struct unit {
    std::int64_t seconds;
    const char* name;
  };
  static constexpr std::array units{unit{31557600, "year"}, unit{2629800, "month"}, unit{604800, "week"},
                                    unit{86400, "day"},     unit{3600, "hour"},     unit{60, "minute"},
                                    unit{1, "second"}};
  if (ago.count() < 5) return "just now";  // and what other machines' clocks say is to come
  for (const auto& u : units) {
    const auto n = ago.count() / u.seconds;
    if (n > 0) return std::to_string(n) + ' ' + u.name + (n == 1 ? " ago" : "s ago");
  }
  return "just now";
}

}  // namespace troupe::app
