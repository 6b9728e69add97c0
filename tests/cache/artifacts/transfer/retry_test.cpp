#include "cache/artifacts/transfer/retry.hpp"

#include <gtest/gtest.h>

namespace troupe::cache {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesUpToItsMostAndIsSpreadOverTheLaterHalf) {
  EXPECT_EQ(backoff(1, 500ms, 30s, 1), 500ms);
  EXPECT_EQ(backoff(1, 500ms, 30s, 0), 250ms);
  EXPECT_EQ(backoff(2, 500ms, 30s, 1), 1s);
  EXPECT_EQ(backoff(3, 500ms, 30s, 0.5), 1500ms);
  EXPECT_EQ(backoff(7, 500ms, 30s, 1), 30s);
  EXPECT_EQ(backoff(4000000000U, 500ms, 30s, 1), 30s);
  EXPECT_EQ(backoff(4000000000U, 500ms, 30s, 0), 15s);
}

TEST(RetryAfter, SecondsAndDates) {
  const auto now = std::chrono::system_clock::from_time_t(784111777);  // 6 November 1994, 08:49:37
  EXPECT_EQ(retry_after("120", now), 120s);
  EXPECT_EQ(retry_after(" 0 ", now), 0s);
  EXPECT_EQ(retry_after("99999999999999999999999", now), 366 * 86400s);
  EXPECT_EQ(retry_after("Sun, 06 Nov 1994 08:50:07 GMT", now), 30s);
  EXPECT_EQ(retry_after("Sunday, 06-Nov-94 08:50:07 GMT", now), 30s);
  EXPECT_EQ(retry_after("Sun Nov  6 08:50:07 1994", now), 30s);
  EXPECT_EQ(retry_after("Sun, 06 Nov 1994 08:49:07 GMT", now), 0s) << "past";
  EXPECT_EQ(retry_after("Sun, 06 Nov 1994 08:50:07 GMT", now - 1ms), 31s) << "never too early";
  for (const char* nothing : {"", "soon", "-1", "1.5", "12 s", "Sun, 99 Foo 1994 08:50:07 GMT"})
    EXPECT_FALSE(retry_after(nothing, now)) << nothing;
  EXPECT_FALSE(retry_after(std::string(70, '1'), now));
}

TEST(MayPass, OnlyWhatTheServerMayThinkBetterOf) {
  for (const unsigned status : {408U, 429U, 500U, 502U, 503U, 599U}) EXPECT_TRUE(may_pass(status)) << status;
  for (const unsigned status : {200U, 206U, 304U, 400U, 401U, 403U, 404U, 410U, 416U})
    EXPECT_FALSE(may_pass(status)) << status;
}

}  // namespace
}  // namespace troupe::cache
