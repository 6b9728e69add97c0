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
  static constexpr auto recognising = session_board::stage::recognising, listening = session_board::stage::listening;
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
  for (int i = 0; i < 16; ++i) board.stepped(first, recognising, 300ms, 600ms, 0ms, now);  // half a slot each
  EXPECT_EQ(board.enter(now).error().code, error_code::too_many_requests);
  now += 3s;  // nobody feeds any more
  EXPECT_TRUE(board.enter(now));
}

TEST_F(SessionBoard, TheNewestOfThoseThatAreFedLeavesWhenStepsAreLate) {
  const auto first = enter(), second = enter(), silent = enter();
  now += 10s;
  board.fed(first, 0ms, now);
  board.spoke(first, now);
  board.fed(second, 0ms, now);
  board.spoke(second, now);
  board.stepped(first, recognising, 1ms, 600ms, 1900ms, now);
  EXPECT_TRUE(asked.empty());
  board.stepped(first, recognising, 1ms, 600ms, 2100ms, now);
  ASSERT_EQ(asked, std::vector{second}) << silent << " costs nothing";
  board.stepped(first, recognising, 1ms, 600ms, 2100ms, now + 100ms);
  EXPECT_EQ(asked.size(), 1u) << "what that frees is seen first";
  board.stepped(first, recognising, 1ms, 600ms, 2100ms, now + 600ms);
  EXPECT_EQ(asked, (std::vector{second, first})) << "each is asked once";
}

TEST_F(SessionBoard, WhoIsFedSilenceCostsLittleAndLeavesLast) {
  const auto speaker = enter(), silent = enter();
  for (int i = 0; i < 16; ++i) board.stepped(speaker, recognising, 200ms, 600ms, 0ms, now);  // a third of a slot
  for (int i = 0; i < 16; ++i) board.stepped(silent, listening, 1ms, 200ms, 0ms, now);
  EXPECT_FALSE(board.enter(now)) << "both may speak still";
  now += 3s;
  board.fed(silent, 200ms, now);
  EXPECT_TRUE(board.enter(now)) << "it does not";
  board.fed(speaker, 600ms, now - 1s);
  board.spoke(speaker, now - 1s);
  board.fed(silent, 200ms, now + 3s);
  board.spoke(speaker, now + 3s);
  board.fed(speaker, 600ms, now + 3s);
  board.stepped(silent, listening, 1ms, 200ms, 3s, now + 3s);
  EXPECT_EQ(asked, std::vector{speaker});
  board.stepped(silent, listening, 1ms, 200ms, 3s, now + 4s);
  EXPECT_EQ(asked, (std::vector{speaker, silent})) << "nobody else is left";
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
