#include "actors/residency/usage.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;
using config::priority;
const steady_time t0{1000s};

TEST(DecayedUse, HalvesEachHalfLife) {
  decayed_use u;
  u.add(8, t0, 10s);
  EXPECT_DOUBLE_EQ(u.at(t0, 10s), 8);
  EXPECT_NEAR(u.at(t0 + 10s, 10s), 4, 1e-9);
  u.add(1, t0 + 20s, 10s);
  EXPECT_NEAR(u.at(t0 + 20s, 10s), 3, 1e-9);
}

TEST(Priority, RegistryThenPreloadThenUse) {
  EXPECT_EQ(effective_priority(priority::low, true, 1000, 1000), priority::low);
  EXPECT_EQ(effective_priority({}, true, 0, 0), priority::high);
  EXPECT_EQ(effective_priority({}, false, 0, 100), priority::low);
  EXPECT_EQ(effective_priority({}, false, 5, 100), priority::medium);
  EXPECT_EQ(effective_priority({}, false, 50, 100), priority::high);
  EXPECT_EQ(effective_priority({}, false, 9, 10000), priority::medium);
}

TEST(Expiry, IdleModelsLeavePreloadedOnesAreRevalidated) {
  EXPECT_EQ(check_expiry(60s, 61s, false, false), expiry::unload);
  EXPECT_EQ(check_expiry(60s, 59s, false, false), expiry::keep);
  EXPECT_EQ(check_expiry(60s, 61s, true, false), expiry::revalidate);
  EXPECT_EQ(check_expiry(60s, 61s, false, true), expiry::keep) << "work in flight";
  EXPECT_EQ(check_expiry(0s, 99999s, false, false), expiry::keep) << "0 is never";
}

TEST(RestartBackoff, DoublesUpToTheMaximum) {
  EXPECT_EQ(restart_backoff(1, 100ms, 30000ms), 100ms);
  EXPECT_EQ(restart_backoff(2, 100ms, 30000ms), 200ms);
  EXPECT_EQ(restart_backoff(5, 100ms, 30000ms), 1600ms);
  EXPECT_EQ(restart_backoff(4000000000u, 100ms, 30000ms), 30000ms);
}

}  // namespace
}  // namespace troupe::actors
