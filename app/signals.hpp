#pragma once
// The signals that `troupe serve` answers: SIGINT, SIGTERM and SIGHUP are blocked in every thread and waited for by
// main's. (SIGHUP is blocked before main already: before_main.hpp.)

#include <chrono>

namespace troupe::app {

// Blocks the three and ignores SIGPIPE: first thing in main, before any thread. Both outlive an exec.
void prepare_signals();

// The signal that came within `limit`, or 0. A negative limit waits for ever.
int wait_for_signal(std::chrono::milliseconds limit);

}  // namespace troupe::app
