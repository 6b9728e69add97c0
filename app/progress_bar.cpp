#include "app/progress_bar.hpp"

#include <algorithm>
#include <cmath>

#include "app/logging.hpp"
#include "app/text_table.hpp"

namespace troupe::app {
namespace {

constexpr std::size_t bar_columns_min = 6, bar_columns_max = 40, name_columns_min = 8;

std::uint64_t percent_of(std::uint64_t done, std::uint64_t total) noexcept {
  if (total == 0) return 100;
  // 100 is said when all is there, and not before.
  const auto share = std::floor(100.0 * static_cast<double>(std::min(done, total)) / static_cast<double>(total));
  return std::min<std::uint64_t>(static_cast<std::uint64_t>(share), done >= total ? 100 : 99);
}

std::string padded_left(const std::string& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

std::size_t bar_room(std::size_t columns, std::size_t name_columns, std::size_t tail_columns) {
  const auto taken = name_columns + tail_columns + 4;
  const auto room = columns > taken ? std::min(columns - taken, bar_columns_max) : 0;
  return room < bar_columns_min ? 0 : room;
}

struct bar_line {
  std::string name;
  std::uint64_t done = 0;
  std::optional<std::uint64_t> total;
  std::string tail;
};

// `name  [bar]  tail` in `columns`; first the bar gives way, then the name, then the middle of it all.
std::string line_of(const bar_line& l, std::size_t name_columns, std::size_t bar_columns, std::size_t columns,
                    bool utf8) {
  const auto tail_columns = display_width(l.tail);
  bar_columns = std::min(bar_columns, bar_room(columns, name_columns, tail_columns));
  if (bar_columns == 0 && name_columns + 2 + tail_columns > columns)
    name_columns = std::max(name_columns_min, columns > tail_columns + 2 ? columns - tail_columns - 2 : 0);
  const auto name = shortened(l.name, name_columns, utf8);
  auto out = name + std::string(name_columns - display_width(name) + 2, ' ');
  if (bar_columns > 0)
    out += (l.total ? draw_bar(l.done, *l.total, bar_columns, utf8) : std::string(bar_columns, ' ')) + "  ";
  return shortened(out + l.tail, columns, utf8);
}

std::string amounts(std::uint64_t done, std::optional<std::uint64_t> total) {
  if (!total) return human_bytes(done);
  return padded_left(std::to_string(percent_of(done, *total)), 3) + "%  " + human_bytes(done) + " of " +
         human_bytes(*total);
}

std::string speed_and_time(const progress_view& v) {
  std::string out;
  if (v.bytes_per_s >= 1) out += human_bytes(static_cast<std::uint64_t>(v.bytes_per_s)) + "/s";
  if (v.left_s) out += (out.empty() ? "" : "  ") + human_seconds(*v.left_s) + " left";
  return out;
}

bool is_done(const file_bar& f) noexcept { return f.total && f.done >= *f.total; }

// Which files have a line: all, or as many as there is room for, in the order of the files.
std::vector<std::size_t> lines_for(const std::vector<file_bar>& files, std::size_t room) {
  std::vector<std::size_t> order(files.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (order.size() <= room) return order;
  const auto rank = [&](std::size_t i) { return is_done(files[i]) ? 2 : files[i].done > 0 ? 0 : 1; };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return rank(a) < rank(b); });
  order.resize(room);
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace

std::uint64_t bytes_done(const progress_view& v) noexcept {
  std::uint64_t sum = 0;
  for (const auto& f : v.files) sum += f.done;
  return sum;
}

std::optional<std::uint64_t> bytes_total(const progress_view& v) noexcept {
  if (v.files.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const auto& f : v.files) {
    if (!f.total) return std::nullopt;
    sum += *f.total;
  }
  return sum;
}

std::string draw_bar(std::uint64_t done, std::uint64_t total, std::size_t columns, bool utf8) {
  if (columns < 2) return std::string(columns, ' ');
  const auto inside = columns - 2;
  const auto share = total == 0 ? 1.0 : static_cast<double>(std::min(done, total)) / static_cast<double>(total);
  if (!utf8) {
    const auto full = static_cast<std::size_t>(share * static_cast<double>(inside));
    return '[' + std::string(full, '#') + std::string(inside - full, '.') + ']';
  }
  static const char* const eighths[] = {"",
                                        "\xE2\x96\x8F",
                                        "\xE2\x96\x8E",
                                        "\xE2\x96\x8D",
                                        "\xE2\x96\x8C",
                                        "\xE2\x96\x8B",
                                        "\xE2\x96\x8A",
                                        "\xE2\x96\x89"};
  const auto parts = static_cast<std::size_t>(share * static_cast<double>(inside) * 8);
  std::string out = "\xE2\x96\x95";
  for (std::size_t i = 0; i < parts / 8; ++i) out += "\xE2\x96\x88";
  out += eighths[parts % 8];
  out.append(inside - parts / 8 - (parts % 8 != 0 ? 1 : 0), ' ');
  return out + "\xE2\x96\x8F";
}

std::vector<std::string> draw(const progress_view& v, const terminal_shape& shape) {
  const auto columns = std::max<std::size_t>(shape.columns, 11) - 1;  // the last one would wrap on some terminals
  // One row each for all of it, for what was left out, and for the cursor.
  const auto room = std::max<std::size_t>(shape.rows, 4) - 3;
  const auto readable = [&](const std::string& text) {
    const auto safe = escape_for_terminal(text);
    return shape.utf8 ? safe : as_ascii(safe);
  };
  if (v.files.empty()) return {shortened(readable(v.message), columns, shape.utf8)};
  const auto shown = lines_for(v.files, room);
  std::vector<bar_line> lines;
  for (const auto i : shown) {
    const auto& f = v.files[i];
    lines.push_back({readable(f.path), f.done, f.total, amounts(f.done, f.total)});
  }
  std::size_t name_columns = name_columns_min, tail_columns = 0;
  for (const auto& l : lines) {
    name_columns = std::max(name_columns, display_width(l.name));
    tail_columns = std::max(tail_columns, display_width(l.tail));
  }
  name_columns = std::min(name_columns, std::max(name_columns_min, columns / 3));
  const auto bar_columns = bar_room(columns, name_columns, tail_columns);
  std::vector<std::string> out;
  out.reserve(lines.size() + 1);
  for (const auto& l : lines) out.push_back(line_of(l, name_columns, bar_columns, columns, shape.utf8));
  if (shown.size() < v.files.size())
    out.push_back(
        shortened("and " + std::to_string(v.files.size() - shown.size()) + " more files", columns, shape.utf8));
  const auto done = bytes_done(v);
  const auto total = bytes_total(v);
  if (total && done >= *total) {  // what happens now is of more interest
    out.push_back(shortened(readable(v.message), columns, shape.utf8));
    return out;
  }
  bar_line all{"all", done, total, amounts(done, total)};
  if (const auto speed = speed_and_time(v); !speed.empty()) all.tail += "  " + speed;
  out.push_back(line_of(all, name_columns, bar_columns, columns, shape.utf8));
  return out;
}

std::string in_words(const progress_view& v) {
  if (v.files.empty()) return v.message;
  const auto done = bytes_done(v);
  const auto total = bytes_total(v);
  if (total && done >= *total) return v.message;
  auto out = total ? std::to_string(percent_of(done, *total)) + " % of " + human_bytes(*total) : human_bytes(done);
  if (v.bytes_per_s >= 1) out += ", " + human_bytes(static_cast<std::uint64_t>(v.bytes_per_s)) + "/s";
  if (v.left_s) out += ", " + human_seconds(*v.left_s) + " left";
  return out;
}

}  // namespace troupe::app
