#include "app/signals.hpp"

#include <csignal>
#include <ctime>

namespace troupe::app {
namespace {

sigset_t our_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
  return set;
}

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

}  // namespace troupe::app
