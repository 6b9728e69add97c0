#include "config/turns.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

namespace troupe::config {
namespace {

// As sched_getattr(2) gives it.
struct attributes {
  std::uint32_t size, policy;
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime_ns, deadline_ns, period_ns;
};

attributes of_this_thread() {
  attributes a{};
  EXPECT_EQ(::syscall(SYS_sched_getattr, 0, &a, sizeof a, 0u), 0);
  return a;
}

// In a thread of its own with nice value 5: what `take` changes there. Nothing, before Linux 6.12, which tells no turn.
void expect_turn(void (*take)() noexcept, std::uint64_t runtime_ns) {
  std::thread([=] {
    ::setpriority(PRIO_PROCESS, 0, 5);
    const auto before = of_this_thread();
    take();
    const auto after = of_this_thread();
    EXPECT_EQ(after.nice, 5);
    EXPECT_EQ(after.policy, before.policy);
    if (before.runtime_ns == 0) return;
    EXPECT_EQ(after.runtime_ns, runtime_ns);
    std::thread([&] {
      EXPECT_EQ(of_this_thread().runtime_ns, runtime_ns) << "its creator's are inherited";
      take_usual_turns();
      EXPECT_EQ(of_this_thread().runtime_ns, before.runtime_ns);
    }).join();
  }).join();
  EXPECT_NE(of_this_thread().runtime_ns, runtime_ns) << "of one thread only";
}

TEST(Turns, ShortOnesAreATenthOfAMillisecond) { expect_turn(take_short_turns, 100'000); }
TEST(Turns, LongOnesAreAHundredMilliseconds) { expect_turn(take_long_turns, 100'000'000); }

}  // namespace
}  // namespace troupe::config
