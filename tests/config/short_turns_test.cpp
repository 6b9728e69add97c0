#include "config/short_turns.hpp"

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

TEST(ShortTurns, ATurnIsATenthOfAMillisecondAndTheNiceValueStays) {
  std::thread([] {
    ::setpriority(PRIO_PROCESS, 0, 5);
    const auto before = of_this_thread();
    take_short_turns();
    const auto after = of_this_thread();
    EXPECT_EQ(after.nice, 5);
    EXPECT_EQ(after.policy, before.policy);
    // Kernels before 6.12 tell no turn, and take none.
    if (before.runtime_ns != 0) {
      EXPECT_EQ(after.runtime_ns, 100'000u);
      std::thread([&] {
        take_usual_turns();
        EXPECT_EQ(of_this_thread().runtime_ns, before.runtime_ns) << "its creator's are inherited";
      }).join();
    }
  }).join();
  EXPECT_NE(of_this_thread().runtime_ns, 100'000u) << "of one thread only";
}

}  // namespace
}  // namespace troupe::config
