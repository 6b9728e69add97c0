#pragma once
// Shows a progress_view as it changes: bars redrawn in place on a terminal, at most ten times a second; elsewhere a
// line now and then. One thread.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "app/progress_bar.hpp"
#include "config/error.hpp"

namespace troupe::app {

// Of stderr. Null: no terminal, or one that cannot be drawn on (TERM=dumb).
std::optional<terminal_shape> terminal_of_stderr();
// Whether the environment's locale (LC_ALL, LC_CTYPE, LANG) writes UTF-8.
bool locale_is_utf8();

class progress_display {
 public:
  struct outside {
    std::function<std::optional<terminal_shape>()> shape;  // asked each time: a window changes its size
    std::function<void(std::string_view)> write;
    std::function<steady_time()> now;
  };
  progress_display();  // on stderr
  explicit progress_display(outside to);
  ~progress_display();
  progress_display(const progress_display&) = delete;
  progress_display& operator=(const progress_display&) = delete;

  void show(const progress_view& v);
  // Takes the bars away.
  void clear();

 private:
  outside to_;
  std::size_t drawn_lines_ = 0;
  std::optional<steady_time> last_;
  std::string last_words_;
  bool files_told_ = false;
};

}  // namespace troupe::app
