#include "http/ws/received_file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <string>

namespace troupe::http {
namespace {

struct memory {
  std::uint64_t used_bytes = 0, most_bytes = 1ULL << 40U;
  received_file::counter counter() {
    return [this](std::uint64_t bytes) -> std::shared_ptr<void> {
      if (used_bytes + bytes > most_bytes) return nullptr;
      used_bytes += bytes;
      return {this, [this, bytes](void*) { used_bytes -= bytes; }};
    };
  }
};

std::string_view text_of(const received_file& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(received_file, has_what_came_however_it_grew) {
  memory all;
  std::string expected;
  {
    received_file file(16 << 20U, all.counter());
    EXPECT_TRUE(file.bytes().empty());
    for (int i = 0; expected.size() < (9 << 20U); ++i) {
      const std::string piece(1 + static_cast<std::size_t>(i) * 7919 % 100'000, static_cast<char>('a' + i % 26));
      ASSERT_TRUE(file.append(piece));
      expected += piece;
    }
    EXPECT_TRUE(text_of(file) == expected);
    EXPECT_GE(all.used_bytes, expected.size());
    EXPECT_LT(all.used_bytes, expected.size() + (1 << 20U)) << "what has come, not what there is room for";
  }
  EXPECT_EQ(all.used_bytes, 0U);
}

TEST(received_file, is_never_held_twice) {
  const auto most_kb = [] {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return used.ru_maxrss;
  };
  const auto before_kb = most_kb();
  constexpr long file_kb = 192 * 1024;
  memory all;
  received_file file(1ULL << 30U, all.counter());
  const std::string piece(64 * 1024, 'x');
  for (long kb = 0; kb < file_kb; kb += 64) ASSERT_TRUE(file.append(piece));
  EXPECT_LT(most_kb() - before_kb, file_kb + file_kb / 4);
}

TEST(received_file, has_a_limit) {
  memory all;
  received_file file(10, all.counter());
  ASSERT_TRUE(file.append("12345"));
  ASSERT_TRUE(file.append("67890"));
  EXPECT_EQ(file.append("1").error().code, error_code::payload_too_large);
  EXPECT_EQ(text_of(file), "1234567890");
}

TEST(received_file, waits_for_no_memory) {
  memory all{.most_bytes = 1 << 20U};
  received_file file(1ULL << 30U, all.counter());
  ASSERT_TRUE(file.append(std::string(1 << 20U, 'x')));
  const auto refused = file.append("y");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::unavailable);
  EXPECT_EQ(file.bytes().size(), 1U << 20U);
}

}  // namespace
}  // namespace troupe::http
