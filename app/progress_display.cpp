#include "app/progress_display.hpp"

#include <cstdio>
#include <cstdlib>

#include <sys/ioctl.h>
#include <unistd.h>

#include "app/logging.hpp"
#include "app/text_table.hpp"
#include "http/json/text.hpp"

namespace troupe::app {
namespace {

using namespace std::chrono_literals;
constexpr auto between_drawings = 100ms;
constexpr auto between_lines = 5s;

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const auto value = variable(name);
    if (value.empty()) continue;
    const auto codeset = value.substr(std::min(value.size(), value.find('.') + 1));
    return http::equal_ignoring_case(codeset.substr(0, codeset.find('@')), "UTF-8") ||
           http::equal_ignoring_case(codeset.substr(0, codeset.find('@')), "utf8");
  }
  return false;
}

std::optional<terminal_shape> terminal_of_stderr() {
  if (isatty(STDERR_FILENO) == 0 || variable("TERM").empty() || variable("TERM") == "dumb") return std::nullopt;
  terminal_shape shape;
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    shape.columns = size.ws_col;
    if (size.ws_row > 0) shape.rows = size.ws_row;
  }
  shape.utf8 = locale_is_utf8();
  return shape;
}

progress_display::progress_display()
    : progress_display({terminal_of_stderr,
                        [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); },
                        [] { return steady_clock::now(); }}) {}

progress_display::progress_display(outside to) : to_(std::move(to)) {}

progress_display::~progress_display() { clear(); }

void progress_display::show(const progress_view& v) {
  const auto shape = to_.shape();
  const auto now = to_.now();
  const bool first_of_files = !v.files.empty() && !files_told_;
  if (last_ && now - *last_ < (shape ? std::chrono::milliseconds(between_drawings) : between_lines) && !first_of_files)
    return;
  files_told_ = !v.files.empty();
  last_ = now;
  if (!shape) {
    auto words = in_words(v);
    if (first_of_files) words = std::to_string(v.files.size()) + (v.files.size() == 1 ? " file: " : " files: ") + words;
    if (words.empty() || words == last_words_) return;
    last_words_ = words;
    return to_.write(escape_for_terminal(words) + '\n');
  }
  const auto lines = draw(v, *shape);
  std::string out;
  if (drawn_lines_ > 0) out += "\x1b[" + std::to_string(drawn_lines_) + "A";
  for (const auto& line : lines) out += "\x1b[2K" + line + "\n";
  // What was there of a longer drawing.
  if (lines.size() < drawn_lines_) out += "\x1b[J";
  drawn_lines_ = lines.size();
  to_.write(out);
}

void progress_display::clear() {
  if (drawn_lines_ > 0) to_.write("\x1b[" + std::to_string(drawn_lines_) + "A\x1b[J");
  drawn_lines_ = 0;
  last_.reset();
}

}  // namespace troupe::app
