#include "http/signals.hpp"

#include <csignal>
#include <cstdint>

#include <sys/syscall.h>
#include <unistd.h>

namespace troupe::http {
namespace {

sigset_t our_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
  return set;
}

// Runs when the libraries are in place and none has been initialised: no library call, and no sanitizer, may be used.
__attribute__((no_sanitize("address", "undefined"))) void hold_hang_ups(int argc, char** argv, char**) {
  const char* const command = "serve";
  if (argc < 2) return;
  int at = 0;
  while (command[at] != 0 && argv[1][at] == command[at]) ++at;
  if (command[at] != 0 || argv[1][at] != 0) return;
  std::uint64_t set = std::uint64_t{1} << (SIGHUP - 1);
  ::syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, nullptr, sizeof set);
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const before_main)(int, char**, char**) = hold_hang_ups;

}  // namespace

void prepare_signals() {
  const auto set = our_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int wait_for_signal(std::chrono::milliseconds limit) {
  const auto set = our_signals();
  if (limit.count() < 0) {
    int number = 0;
    return sigwait(&set, &number) == 0 ? number : 0;
  }
  const timespec time{limit.count() / 1000, static_cast<long>(limit.count() % 1000) * 1'000'000};
  const int number = sigtimedwait(&set, nullptr, &time);
  return number > 0 ? number : 0;
}

}  // namespace troupe::http
