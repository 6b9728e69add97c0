#include "actors/serving/gate.hpp"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

TEST(Gate, TakesAllItemsOrNone) {
  gate g;
  EXPECT_EQ(g.try_enter(3, 4), gate::entry::entered);
  EXPECT_EQ(g.try_enter(2, 4), gate::entry::full);
  EXPECT_EQ(g.try_enter(1, 4), gate::entry::entered);
  EXPECT_EQ(g.inside(), 4u);
}

TEST(Gate, AnIdleOneClosesABusyOneDoesNot) {
  gate g;
  g.try_enter(1, 10);
  EXPECT_FALSE(g.try_close_if_idle());
  EXPECT_FALSE(g.leave(1)) << "open";
  EXPECT_TRUE(g.try_close_if_idle());
  EXPECT_EQ(g.try_enter(1, 10), gate::entry::closed);
}

TEST(Gate, TheLastOneOutOfAClosedGateTells) {
  gate g;
  g.try_enter(2, 10);
  EXPECT_FALSE(g.close());
  EXPECT_FALSE(g.leave(1));
  EXPECT_TRUE(g.leave(1));
  gate idle;
  EXPECT_TRUE(idle.close());
}

// Asserts stand in debug builds alone.
TEST(GateDeathTest, NobodyLeavesWhoIsNotInside) {
  gate g;
  EXPECT_DEBUG_DEATH(g.leave(1), "G1");
}

TEST(Gate, NobodyIsInsideAfterItClosedUnderContention) {
  for (int round = 0; round < 200; ++round) {
    gate g;
    std::atomic<int> inside{0}, seen_after_close{0};
    std::atomic<bool> closed{false}, stop{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i)
      threads.emplace_back([&] {
        while (!stop) {
          if (g.try_enter(1, 100) != gate::entry::entered) continue;
          ++inside;
          if (closed) ++seen_after_close;
          --inside;
          g.leave(1);
        }
      });
    for (int tries = 0; !g.try_close_if_idle(); ++tries)
      if (tries % 64 == 63) std::this_thread::yield();
    closed = true;
    EXPECT_EQ(g.inside(), 0u);
    stop = true;
    for (auto& t : threads) t.join();
    EXPECT_EQ(seen_after_close, 0);
  }
}

}  // namespace
}  // namespace troupe::actors
