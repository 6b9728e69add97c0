#include "app/interrupts.hpp"

#include <unistd.h>

namespace troupe::app {
namespace {

std::atomic<bool> asked{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int) {
  if (asked.exchange(true)) _exit(130);
}

}  // namespace

interruptible::interruptible() {
  asked = false;
  struct sigaction act {};
  act.sa_handler = on_signal;
  // What was to be ignored still is: a shell starts its background jobs so.
  sigaction(SIGINT, &act, &int_before_);
  if (int_before_.sa_handler == SIG_IGN) sigaction(SIGINT, &int_before_, nullptr);
  sigaction(SIGTERM, &act, &term_before_);
  if (term_before_.sa_handler == SIG_IGN) sigaction(SIGTERM, &term_before_, nullptr);
  // `troupe serve` has them blocked for its own.
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, SIGINT);
  sigaddset(&ours, SIGTERM);
  pthread_sigmask(SIG_UNBLOCK, &ours, &mask_before_);
}

interruptible::~interruptible() {
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
  sigaction(SIGINT, &int_before_, nullptr);
  sigaction(SIGTERM, &term_before_, nullptr);
}

const std::atomic<bool>& interruptible::flag() noexcept { return asked; }

}  // namespace troupe::app
