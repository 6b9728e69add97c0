#include "actors/residency/ledger.hpp"

#include <random>

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

constexpr lease_id one{1}, two{2};

std::string file_of(std::uint64_t mapping) { return mapping == 0 ? std::string() : std::to_string(mapping) + ".file"; }
inference::memory_use use(std::uint64_t mapping, std::uint64_t mapped, std::uint64_t private_bytes) {
  return {{{mapping, mapped, file_of(mapping)}}, private_bytes};
}
inference::memory_estimate planned(std::uint64_t mapping, std::uint64_t mapped, std::uint64_t private_bytes) {
  return {file_of(mapping), mapped, private_bytes};
}
inference::memory_estimate bytes(std::uint64_t private_bytes) { return {{}, 0, private_bytes}; }

TEST(Ledger, ReservationIsCorrectedByTheLoad) {
  ledger l;
  l.reserve(one, bytes(100));
  EXPECT_EQ(l.used_bytes(), 100u);
  EXPECT_EQ(l.reserved_bytes(), 100u);
  l.resident(one, use(7, 80, 5));
  EXPECT_EQ(l.used_bytes(), 85u);
  EXPECT_EQ(l.reserved_bytes(), 0u);
  EXPECT_EQ(l.release(one), 85u);
  EXPECT_EQ(l.used_bytes(), 0u);
}

TEST(Ledger, SharedMappingCountsOnce) {
  ledger l;
  l.reserve(one, bytes(0));
  l.resident(one, use(7, 80, 1));
  l.reserve(two, bytes(0));
  l.resident(two, use(7, 80, 2));
  EXPECT_EQ(l.used_bytes(), 83u);
  EXPECT_EQ(l.bytes_of(two), 82u);
  EXPECT_EQ(l.exclusive_bytes(one), 1u) << "the other one keeps the mapping";
  EXPECT_EQ(l.release(one), 1u);
  EXPECT_EQ(l.exclusive_bytes(two), 82u);
  EXPECT_EQ(l.release(two), 82u);
  EXPECT_EQ(l.used_bytes(), 0u);
}

TEST(Ledger, WhatDrainsIsUsedUntilItIsBack) {
  ledger l;
  l.reserve(one, bytes(0));
  l.resident(one, use(1, 50, 10));
  l.draining(one);
  EXPECT_EQ(l.used_bytes(), 60u);
  EXPECT_EQ(l.draining_bytes(), 60u);
  l.release(one);
  EXPECT_EQ(l.draining_bytes(), 0u);
}

TEST(Ledger, MappingOfADrainingModelIsNotComingBackWhileAnotherUsesIt) {
  ledger l;
  l.reserve(one, bytes(0));
  l.resident(one, use(1, 50, 10));
  l.reserve(two, bytes(0));
  l.resident(two, use(1, 50, 0));
  l.draining(one);
  EXPECT_EQ(l.draining_bytes(), 10u);
  EXPECT_EQ(l.exclusive_bytes(two), 50u);
}

TEST(Ledger, AFileThatIsMappedIsNotReservedAgainButPrivateBytesAre) {
  ledger l;
  l.reserve(one, planned(7, 80, 5));
  EXPECT_EQ(l.used_bytes(), 85u);
  EXPECT_EQ(l.additional_bytes(planned(7, 80, 6)), 6u) << "a load in flight is going to map it";
  EXPECT_EQ(l.additional_bytes(planned(8, 40, 6)), 46u) << "the same artifact in another precision is another file";
  l.reserve(two, planned(7, 80, 6));
  EXPECT_EQ(l.used_bytes(), 91u);
  l.resident(one, use(7, 80, 5));
  EXPECT_EQ(l.used_bytes(), 91u);
  EXPECT_EQ(l.reserved_bytes(), 6u);
  EXPECT_EQ(l.additional_bytes(planned(7, 80, 1)), 1u);
  EXPECT_EQ(l.additional_bytes(planned(8, 40, 1)), 41u);
  EXPECT_EQ(l.exclusive_bytes(one), 5u) << "the load in flight needs the mapping";
  l.draining(one);
  EXPECT_EQ(l.draining_bytes(), 5u);
  EXPECT_EQ(l.release(one), 5u);
  EXPECT_EQ(l.used_bytes(), 86u) << "the load in flight maps it itself now";
  EXPECT_EQ(l.release(two), 86u);
  EXPECT_EQ(l.used_bytes(), 0u);
}

TEST(Ledger, AFileThatOnlyADrainingModelHasMappedIsNeededAnew) {
  ledger l;
  l.reserve(one, planned(7, 80, 5));
  l.resident(one, use(7, 80, 5));
  l.draining(one);
  EXPECT_EQ(l.additional_bytes(planned(7, 80, 5)), 85u);
}

TEST(Ledger, WhatALoadIsGoingToMapIsNoGainForIt) {
  ledger l;
  l.reserve(one, planned(7, 80, 5));
  l.resident(one, use(7, 80, 5));
  EXPECT_EQ(l.exclusive_bytes(one), 85u);
  EXPECT_EQ(l.exclusive_bytes(one, file_of(7)), 5u);
  EXPECT_EQ(l.exclusive_bytes(one, file_of(8)), 85u);
}

TEST(Ledger, ALoadCalledOffComesBackWhole) {
  ledger l;
  l.reserve(one, planned(7, 80, 5));
  l.draining(one);
  EXPECT_EQ(l.draining_bytes(), 85u);
  EXPECT_EQ(l.release(one), 85u);
}

TEST(Ledger, AnyOrderOfEventsEndsAtZero) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  ledger l;
  std::vector<lease_id> reserved, live, draining;
  std::uint64_t last = 0;
  const auto take = [&](std::vector<lease_id>& from) {
    const auto i = random() % from.size();
    const auto id = from[i];
    from.erase(from.begin() + static_cast<std::ptrdiff_t>(i));
    return id;
  };
  for (int step = 0; step < 20000; ++step) {
    switch (random() % 5) {
      case 0:
        reserved.push_back(lease_id{++last});
        l.reserve(reserved.back(), planned(random() % 4, 100 + random() % 400, random() % 1000));
        break;
      case 1:
        if (!reserved.empty()) {
          const auto id = take(reserved);
          const auto m = random() % 4;
          l.resident(id, use(m, 100 * (m + 1), random() % 50));
          live.push_back(id);
        }
        break;
      case 2:
        if (!live.empty()) l.update_private(live[random() % live.size()], random() % 500);
        break;
      case 3:
        if (!live.empty()) {
          const auto id = take(live);
          l.draining(id);
          draining.push_back(id);
        }
        break;
      default:
        if (!draining.empty())
          l.release(take(draining));
        else if (!reserved.empty())
          l.release(take(reserved));
        break;
    }
    ASSERT_LE(l.draining_bytes(), l.used_bytes());
    ASSERT_LE(l.reserved_bytes(), l.used_bytes());
  }
  for (const auto& ids : {reserved, live, draining})
    for (const auto id : ids) l.release(id);
  EXPECT_EQ(l.used_bytes(), 0u);
  for (std::uint64_t n = 1; n <= last; ++n) ASSERT_FALSE(l.knows(lease_id{n}));
}

}  // namespace
}  // namespace troupe::actors
