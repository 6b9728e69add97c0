#pragma once
// Ctrl-C for commands that have something to undo. Main's thread.

#include <atomic>
#include <csignal>

namespace troupe::app {

// While it lives, SIGINT and SIGTERM ask for an end instead of ending the process: the first sets the flag, a second
// ends it at once, with 130. One at a time.
class interruptible {
 public:
  interruptible();
  ~interruptible();
  interruptible(const interruptible&) = delete;
  interruptible& operator=(const interruptible&) = delete;

  static const std::atomic<bool>& flag() noexcept;

 private:
  struct sigaction int_before_ {
  }, term_before_{};
  sigset_t mask_before_{};
};

}  // namespace troupe::app
