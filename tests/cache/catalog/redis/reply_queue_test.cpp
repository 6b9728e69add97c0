#include "cache/catalog/redis/reply_queue.hpp"

#include <gtest/gtest.h>

#include "tests/cache/catalog/redis/asking.hpp"

namespace troupe::cache {
namespace {

class reply_queue_test : public testing::Test {
 protected:
  void wait_for_one(const std::string& name, int deadline) {
    waiting_reply who;
    who.then = [this, name](result<redis_reply> r) { told += name + text_of(r) + ' '; };
    who.deadline = at(deadline);
    queue.add(std::move(who));
  }
  void wait_for(const std::string& name, std::uint32_t replies, int deadline) {
    waiting_reply who;
    who.many = std::make_unique<waiting_reply::several>();
    who.many->then = [this, name](result<std::vector<redis_reply>> r) {
      told += name;
      if (!r)
        told += text_of(result<redis_reply>(tl::unexpected(r.error())));
      else
        for (const auto& one : *r) told += text_of(result<redis_reply>(one));
      told += ' ';
    };
    who.commands = who.replies_left = replies;
    who.deadline = at(deadline);
    queue.add(std::move(who));
  }
  void comes(std::int64_t value) {
    redis_reply r{value};
    if (auto who = queue.take(r)) who->answer(std::move(r));
  }
  void time_is(int ms) {
    while (auto who = queue.take_expired(at(ms))) who->answer(error{error_code::deadline_exceeded, "late", {}, {}});
  }
  static steady_time at(int ms) { return steady_time() + std::chrono::milliseconds(ms); }

  reply_queue queue;
  std::string told;
};

TEST_F(reply_queue_test, answers_in_order) {
  wait_for_one("a", 10);
  wait_for("b", 2, 10);
  wait_for_one("c", 10);
  for (int i = 1; i <= 4; ++i) comes(i);
  EXPECT_EQ(told, "a:1 b:2:3 c:4 ");
  EXPECT_TRUE(queue.empty());
}

TEST_F(reply_queue_test, drops_the_replies_of_who_was_late) {
  wait_for_one("a", 10);
  wait_for("b", 3, 11);
  wait_for_one("c", 12);
  comes(1);
  comes(2);
  EXPECT_EQ(queue.next_deadline(), at(11));
  time_is(11);
  EXPECT_EQ(queue.next_deadline(), at(12));
  EXPECT_EQ(told, "a:1 berror DEADLINE_EXCEEDED: late ");
  wait_for_one("d", 20);
  comes(3), comes(4), comes(5);
  EXPECT_EQ(told, "a:1 berror DEADLINE_EXCEEDED: late c:5 ");
  time_is(30);
  EXPECT_EQ(queue.next_deadline(), no_deadline);
  EXPECT_FALSE(queue.empty());  // its reply is still to come
  wait_for_one("e", 40);
  comes(6), comes(7);
  EXPECT_EQ(told, "a:1 berror DEADLINE_EXCEEDED: late c:5 derror DEADLINE_EXCEEDED: late e:7 ");
  EXPECT_TRUE(queue.empty());
}

TEST_F(reply_queue_test, is_emptied) {
  wait_for_one("a", 10);
  wait_for_one("b", 20);
  time_is(10);
  told.clear();
  while (auto who = queue.take_first()) who->answer(error{error_code::unavailable, "gone", {}, {}});
  EXPECT_EQ(told, "berror UNAVAILABLE: gone ");
  EXPECT_EQ(queue.next_deadline(), no_deadline);
}

}  // namespace
}  // namespace troupe::cache
