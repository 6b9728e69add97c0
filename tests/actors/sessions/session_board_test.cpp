#include "actors/sessions/session_board.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;

struct SessionBoard : ::testing::Test {
  prometheus::Registry registry;
  session_board board{{.max_sessions = 3, .max_share = 0.5}, 1, registry};
  steady_time now = steady_time{} + 1h;
  std::vector<session_board::number> asked;

  session_board::number enter() {
    const auto n = board.enter(now).value();
    board.set_leave(n, [this, n](const error&) { asked.push_back(n); });
    return n;
  }
};

TEST_F(SessionBoard, HasALimit) {
  const auto first = enter();
  enter();
  enter();
  const auto refused = board.enter(now);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::too_many_requests);
  EXPECT_NE(refused.error().detail.find("max_sessions is 3"), std::string::npos);
  board.left(first, false);
  EXPECT_EQ(board.open(), 2u);
  EXPECT_TRUE(board.enter(now));
}

TEST_F(SessionBoard, RefusesWhatTheCoresCannotHoldAndCountsOnlyWhoIsFed) {
  const auto first = enter();
  for (int i = 0; i < 16; ++i) board.stepped(first, 300ms, 600ms, 0ms, now);  // half a slot each
  EXPECT_EQ(board.enter(now).error().code, error_code::too_many_requests);
  now += 3s;  // nobody feeds any more
  EXPECT_TRUE(board.enter(now));
}

TEST_F(SessionBoard, TheNewestOfThoseThatAreFedLeavesWhenStepsAreLate) {
  const auto first = enter(), second = enter(), silent = enter();
  now += 10s;
  board.fed(first, now);
  board.fed(second, now);
  board.stepped(first, 1ms, 600ms, 1900ms, now);
  EXPECT_TRUE(asked.empty());
  board.stepped(first, 1ms, 600ms, 2100ms, now);
  ASSERT_EQ(asked, std::vector{second}) << silent << " costs nothing";
  board.stepped(first, 1ms, 600ms, 2100ms, now + 100ms);
  EXPECT_EQ(asked.size(), 1u) << "what that frees is seen first";
  board.stepped(first, 1ms, 600ms, 2100ms, now + 600ms);
  EXPECT_EQ(asked, (std::vector{second, first})) << "each is asked once";
}

TEST_F(SessionBoard, ClearWaitsUntilAllHaveGone) {
  const auto first = enter(), second = enter();
  std::thread leaving([&] {
    board.left(first, false);
    board.left(second, true);
  });
  board.clear({error_code::unavailable, "the end", {}, {}});
  EXPECT_EQ(board.open(), 0u);
  leaving.join();
  board.left(second, true);  // told twice: an actor that failed ends, too
  EXPECT_EQ(board.open(), 0u);
}

}  // namespace
}  // namespace troupe::actors
