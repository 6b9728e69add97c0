#include "cache/catalog/tiers/local_tier.hpp"

#include <gtest/gtest.h>

namespace troupe::cache {
namespace {

using namespace std::chrono_literals;
using age = local_tier::age;

const steady_time start{1h};
cached_value_ptr value(std::string text = "[1]") { return std::make_shared<const cached_value>(std::move(text)); }

TEST(local_tier, fresh_then_stale_then_gone) {
  local_tier t({});
  t.put("a", 1, value(), start + 10s, start + 30s);
  EXPECT_EQ(t.find("a", 1, start).is, age::fresh);
  EXPECT_EQ(t.find("a", 1, start + 9999ms).is, age::fresh);
  EXPECT_EQ(t.find("a", 1, start + 10s).is, age::stale);
  EXPECT_NE(t.find("a", 1, start + 29s).value, nullptr);
  EXPECT_EQ(t.find("a", 1, start + 30s).is, age::none);
  EXPECT_EQ(t.entries(), 0u);
  EXPECT_EQ(t.size_bytes(), 0u);
}

TEST(local_tier, an_older_epoch_is_outdated_and_still_told) {
  local_tier t({});
  t.put("a", 1, value(), start + 10s, start + 30s);
  const auto f = t.find("a", 2, start);
  EXPECT_EQ(f.is, age::outdated);
  EXPECT_EQ(f.value->body, "[1]");
}

TEST(local_tier, least_recently_used_goes_first) {
  local_tier t({.entries_max = 2, .bytes_max = 1 << 20});
  t.put("a", 1, value(), start + 1h, start + 2h);
  t.put("b", 1, value(), start + 1h, start + 2h);
  (void)t.find("a", 1, start);
  t.put("c", 1, value(), start + 1h, start + 2h);
  EXPECT_EQ(t.find("b", 1, start).is, age::none);
  EXPECT_EQ(t.find("a", 1, start).is, age::fresh);
  EXPECT_EQ(t.evictions(), 1u);
  EXPECT_EQ(t.entries(), 2u);
}

TEST(local_tier, bounded_in_bytes) {
  local_tier t({.entries_max = 500, .bytes_max = 100'000});
  for (int i = 0; i < 100; ++i) t.put(std::to_string(i), 1, value(std::string(10'000, 'x')), start + 1h, start + 2h);
  EXPECT_LE(t.size_bytes(), 100'000u);
  EXPECT_GT(t.entries(), 2u);
  t.put("huge", 1, value(std::string(200'000, 'x')), start + 1h, start + 2h);
  EXPECT_EQ(t.find("huge", 1, start).is, age::none);
  EXPECT_EQ(t.find("99", 1, start).is, age::fresh) << "nothing was driven out for what does not fit";
}

TEST(local_tier, put_again_replaces) {
  local_tier t({});
  t.put("a", 1, value("[1]"), start + 1s, start + 1s);
  const auto size = t.size_bytes();
  t.put("a", 2, value("[2]"), start + 10s, start + 10s);
  EXPECT_EQ(t.size_bytes(), size);
  EXPECT_EQ(t.find("a", 2, start + 5s).value->body, "[2]");
  t.remove("a");
  t.remove("a");
  EXPECT_EQ(t.size_bytes(), 0u);
  t.put("a", 1, value(), start + 1s, start + 1s);
  t.clear();
  EXPECT_EQ(t.find("a", 1, start).is, age::none);
}

}  // namespace
}  // namespace troupe::cache
