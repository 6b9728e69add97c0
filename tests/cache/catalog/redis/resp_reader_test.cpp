#include "cache/catalog/redis/resp_reader.hpp"

#include <gtest/gtest.h>

#include <random>

#include "tests/cache/catalog/redis/asking.hpp"

namespace troupe::cache {
namespace {

std::string written(redis_reply& r) {
  if (auto* list = r.items()) {
    std::string out = "[";
    for (auto& one : *list) out += written(one) + ' ';
    return out + ']';
  }
  return text_of(result<redis_reply>(r));
}

// All replies of `bytes`, fed in pieces of `piece`; the last is "! .." where it is refused.
std::vector<std::string> read(std::string_view bytes, std::size_t piece, std::uint64_t limit = 1 << 20) {
  resp_reader reader(limit);
  std::vector<std::string> out;
  while (!bytes.empty()) {
    const std::string copy(bytes.substr(0, piece));  // at another place each time
    bytes.remove_prefix(copy.size());
    reader.feed(copy);
    for (;;) {
      redis_reply reply;
      const auto more = reader.next(reply);
      if (!more) {
        out.push_back("! " + more.error().message);
        return out;
      }
      if (!*more) break;
      out.push_back(written(reply));
    }
  }
  return out;
}

error_code refusal(std::string_view bytes, std::uint64_t limit) {
  resp_reader reader(limit);
  reader.feed(bytes);
  redis_reply reply;
  for (;;) {
    const auto more = reader.next(reply);
    if (!more) return more.error().code;
    if (!*more) return error_code::internal;
  }
}

const std::string everything =
    "+OK\r\n-ERR no\r\n:-12\r\n$5\r\na\r\nbc\r\n$-1\r\n*-1\r\n$0\r\n\r\n*0\r\n"
    "*4\r\n:1\r\n*2\r\n$1\r\nx\r\n*1\r\n$-1\r\n+s\r\n-e\r\n+end\r\n";
const std::vector<std::string> all_of_it = {
    "+OK", "-ERR no", ":-12", "$a\r\nbc", "nil", "nil", "$", "[]", "[:1 [$x [nil ] ] +s -e ]", "+end"};

TEST(resp_reader, reads_each_kind_however_it_comes) {
  for (std::size_t piece = 1; piece <= everything.size(); ++piece) EXPECT_EQ(read(everything, piece), all_of_it);
}

TEST(resp_reader, reads_large_texts_and_long_lists_in_pieces) {
  std::string bytes;
  std::vector<std::string> expected;
  std::mt19937 random(5);
  for (int i = 0; i < 50; ++i) {
    const std::string text(random() % 40'000, static_cast<char>('a' + i % 26));
    bytes += '$' + std::to_string(text.size()) + "\r\n" + text + "\r\n";
    expected.push_back('$' + text);
  }
  bytes += "*5000\r\n";
  for (int i = 0; i < 5000; ++i) bytes += "$3\r\nabc\r\n";
  for (const std::size_t piece : {1000u, 8192u, 65'536u, 10'000'000u}) {
    auto got = read(bytes, piece);
    ASSERT_EQ(got.size(), expected.size() + 1);
    EXPECT_EQ(got.back().size(), 2 + 5000 * 5u);
    got.pop_back();
    EXPECT_EQ(got, expected);
  }
}

TEST(resp_reader, refuses_garbage) {
  for (const char* bytes : {"HTTP/1.1 400 Bad Request\r\n", "%1\r\n+a\r\n+b\r\n", "$x\r\n", "$-2\r\n", "*-2\r\n",
                            ":1x\r\n", "*1\r\n?\r\n", "$ 1\r\na\r\n", "*99999999999999999999\r\n"})
    EXPECT_EQ(refusal(bytes, 1 << 20), error_code::unavailable) << bytes;
  EXPECT_EQ(read("+OK\r\nHTTP", 100).front(), "+OK");
}

TEST(resp_reader, survives_any_bytes) {
  std::mt19937 random(7);
  const std::string_view some = "+-:$*\r\n0123456789-abc\r\n\r\n";
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes;
    for (auto n = random() % 60; n > 0; --n) bytes += some[random() % some.size()];
    read(bytes, 1 + random() % 60, 10'000);
  }
}

TEST(resp_reader, has_a_limit) {
  EXPECT_EQ(read("$100\r\n" + std::string(100, 'x') + "\r\n", 7, 100).front(), '$' + std::string(100, 'x'));
  EXPECT_EQ(refusal("$101\r\n", 100), error_code::payload_too_large);  // before it comes
  const auto room = 3 * sizeof(redis_reply) + 60;
  EXPECT_EQ(refusal("*3\r\n$30\r\n" + std::string(30, 'x') + "\r\n$31\r\n", room), error_code::payload_too_large);
  EXPECT_EQ(refusal("*3\r\n$30\r\n" + std::string(30, 'x') + "\r\n$30\r\n", room), error_code::internal);
  EXPECT_EQ(refusal('+' + std::string(200, 'x') + "\r\n", 100), error_code::payload_too_large);
  // Each reply has all of it.
  std::string bytes;
  for (int i = 0; i < 10; ++i) bytes += "$100\r\n" + std::string(100, 'x') + "\r\n";
  EXPECT_EQ(read(bytes, 1000, 100).size(), 10u);
}

TEST(resp_reader, reserves_nothing_because_it_is_claimed) {
  EXPECT_EQ(refusal("$99999999999\r\n", 1 << 20), error_code::payload_too_large);
  EXPECT_EQ(refusal("*2147483647\r\n", 1 << 20), error_code::payload_too_large);
  EXPECT_EQ(refusal("$9223372036854775807\r\n", 1ull << 40), error_code::payload_too_large);
  EXPECT_EQ(refusal('+' + std::string(100'000, 'x'), 1 << 30), error_code::unavailable);  // a line without end
  EXPECT_EQ(refusal(':' + std::string(40, '1'), 1 << 30), error_code::unavailable);
  EXPECT_EQ(refusal('$' + std::string(40, '1'), 1 << 30), error_code::unavailable);
}

TEST(resp_reader, has_a_depth) {
  std::string seven, eight;
  for (int i = 0; i < 8; ++i) seven += "*1\r\n";
  eight = seven + "*1\r\n:1\r\n";
  EXPECT_EQ(read(seven + ":1\r\n", 3).front(), "[[[[[[[[:1 ] ] ] ] ] ] ] ]");
  EXPECT_EQ(refusal(eight, 1 << 20), error_code::unavailable);
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "*1\r\n";
  EXPECT_EQ(refusal(deep, 1 << 20), error_code::unavailable);
}

}  // namespace
}  // namespace troupe::cache
