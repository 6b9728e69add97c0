#include "cache/catalog/redis/outbox.hpp"

#include <gtest/gtest.h>

#include <random>

namespace troupe::cache {
namespace {

using namespace std::string_view_literals;

std::string all_of(outbox& out, std::size_t step) {
  std::string text;
  while (!out.empty()) {
    std::string front;
    for (const auto piece : out.front()) front += piece;
    const auto size = std::min(step, front.size());
    text += front.substr(0, size);
    out.written(size);
  }
  return text;
}

TEST(outbox, writes_commands_as_redis_reads_them) {
  EXPECT_EQ(redis_command({"SET", std::string("a\0\r\n", 4), ""}).text(),
            "*3\r\n$3\r\nSET\r\n$4\r\na\0\r\n\r\n$0\r\n\r\n"sv);
  EXPECT_EQ(redis_command(std::vector<std::string>()).size(), 0u);
  const std::vector<std::string> many(1000, "x");
  EXPECT_EQ(redis_command(many).size(), 7 + 1000 * 7u);
}

TEST(outbox, gives_all_in_order_however_it_is_taken) {
  std::mt19937 random(3);
  for (const std::size_t step : {777u, 20'000u, 1'000'000u}) {
    outbox out;
    std::string expected;
    for (int i = 0; i < 60; ++i) {
      outbox more;
      for (auto n = random() % 4; n > 0; --n) {
        redis_command c({"SET", std::to_string(i), std::string(random() % 5 == 0 ? 20'000 : 10, 'x')});
        expected += c.text();
        more.add(std::move(c));
      }
      if (i % 2 == 0 || !more.empty()) out.take(more);
      EXPECT_TRUE(more.empty());
    }
    EXPECT_EQ(all_of(out, step), expected);
    EXPECT_TRUE(out.empty());
  }
}

TEST(outbox, is_used_again) {
  outbox out, in;
  for (int i = 0; i < 3; ++i) {
    in.add(redis_command({"PING"}));
    in.add(redis_command({"PING"}));
    out.take(in);
    EXPECT_TRUE(in.empty());
    EXPECT_EQ(out.front()[1], "");  // joined
    EXPECT_EQ(all_of(out, 5), "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n");
  }
  in.add(redis_command({"PING"}));
  in.clear();
  EXPECT_TRUE(in.empty());
}

}  // namespace
}  // namespace troupe::cache
