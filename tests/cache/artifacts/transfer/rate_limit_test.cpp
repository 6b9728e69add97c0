#include "cache/artifacts/transfer/rate_limit.hpp"

#include <gtest/gtest.h>

namespace troupe::cache {
namespace {

using namespace std::chrono_literals;
const steady_time start{100s};

TEST(RateLimit, WhatCameIsOwedBeforeMoreMayCome) {
  rate_limit limit(1000, start);
  EXPECT_EQ(limit.ready_at(start), start);
  limit.took(500);
  EXPECT_EQ(limit.ready_at(start), start + 500ms);
  EXPECT_EQ(limit.ready_at(start + 200ms), start + 500ms);
  EXPECT_EQ(limit.ready_at(start + 500ms), start + 500ms);
}

TEST(RateLimit, HoldsOverTimeAndSavesOnlyALittle) {
  rate_limit limit(1000, start);
  auto now = start + 1h;  // idle: saved a tenth of a second
  std::uint64_t got = 0;
  for (const auto until = now + 10s; now < until;) {
    now = limit.ready_at(now);
    limit.took(64);
    got += 64;
  }
  EXPECT_LE(got, 10000U + 100 + 2 * 64);
  EXPECT_GE(got, 10000U - 64);
}

TEST(RateLimit, NoneNeverWaits) {
  rate_limit limit(0, start);
  limit.took(UINT64_MAX);
  EXPECT_FALSE(limit.limited());
  EXPECT_EQ(limit.ready_at(start), start);
}

}  // namespace
}  // namespace troupe::cache
