#include "config/turns.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace troupe::config {
namespace {

// sched_setattr(2)'s argument, which glibc does not declare.
struct attributes {
  std::uint32_t size = sizeof(attributes), policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0, deadline_ns = 0, period_ns = 0;
};

void set_turn(std::uint64_t runtime_ns) noexcept {
  attributes a;
  a.nice = ::getpriority(PRIO_PROCESS, 0);  // of this thread
  a.runtime_ns = runtime_ns;
  static_cast<void>(::syscall(SYS_sched_setattr, 0, &a, 0u));
}

}  // namespace

void take_short_turns() noexcept { set_turn(100'000); }
void take_long_turns() noexcept { set_turn(100'000'000); }
void take_usual_turns() noexcept { set_turn(0); }
void take_background_turns() noexcept {
  constexpr int nice = 10;
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice);
  take_long_turns();
}

}  // namespace troupe::config
