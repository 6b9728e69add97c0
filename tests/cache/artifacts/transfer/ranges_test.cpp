#include "cache/artifacts/transfer/ranges.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

namespace troupe::cache {
namespace {

using opt = std::optional<byte_range>;

TEST(Ranges, AreTakenInOrderAndOnce) {
  range_plan plan(100);
  EXPECT_EQ(plan.take(40), opt({0, 40}));
  EXPECT_EQ(plan.take(40), opt({40, 80}));
  EXPECT_EQ(plan.take(40), opt({80, 100}));
  EXPECT_FALSE(plan.has_open());
  EXPECT_EQ(plan.take(40), std::nullopt);
}

TEST(Ranges, ThePrefixIsWhatLiesTogetherFromTheFirstOn) {
  range_plan plan(100);
  plan.take(40), plan.take(40);
  plan.wrote(40, 60);
  EXPECT_EQ(plan.prefix(), 0U);
  EXPECT_EQ(plan.whole(), 20U);
  plan.wrote(0, 40);
  EXPECT_EQ(plan.prefix(), 60U);
  plan.give_back(0), plan.give_back(40);
  EXPECT_EQ(plan.take(1000), opt({60, 100}));
  plan.wrote(60, 100);
  EXPECT_TRUE(plan.complete());
}

TEST(Ranges, WhatIsGivenBackIsTakenAgainFromWhereItEnded) {
  range_plan plan(100);
  plan.take(50), plan.take(50);
  plan.wrote(0, 10), plan.wrote(50, 70);
  plan.give_back(0);
  EXPECT_EQ(plan.take(1000), opt({10, 50})) << "up to what is there";
  plan.give_back(50);
  EXPECT_EQ(plan.take(1000), opt({70, 100}));
}

TEST(Ranges, WithoutASizeUpToTheEnd) {
  range_plan plan(range_plan::unknown, 30);
  EXPECT_FALSE(plan.complete());
  EXPECT_EQ(plan.take(range_plan::unknown), opt({30, range_plan::unknown}));
  plan.wrote(30, 50);
  plan.set_size(50);
  EXPECT_TRUE(plan.complete());
  EXPECT_FALSE(plan.has_open());
}

TEST(Ranges, NothingIsCompleteWhenItIsToBeNothing) {
  EXPECT_TRUE(range_plan(0).complete());
  EXPECT_FALSE(range_plan(1).complete());
  EXPECT_TRUE(range_plan(5, 9).complete()) << "more is not kept than there is";
  range_plan plan(100, 80);
  plan.set_size(50);
  EXPECT_EQ(plan.whole(), 50U);
}

TEST(Ranges, AgreeWithASimpleModelWhateverHappens) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto upto = [&](std::uint64_t n) { return std::uniform_int_distribution<std::uint64_t>(0, n)(random); };
  for (int round = 0; round < 200; ++round) {
    const auto size = upto(200), kept = upto(size);
    range_plan plan(size, kept);
    std::vector<int> model(size, 0);  // 0: open, 1: taken, 2: whole
    std::fill_n(model.begin(), kept, 2);
    std::vector<byte_range> out;
    for (int step = 0; step < 200; ++step) {
      const auto open = std::find(model.begin(), model.end(), 0);
      ASSERT_EQ(plan.has_open(), open != model.end());
      if (upto(2) == 0) {
        const auto most = 1 + upto(40);
        const auto got = plan.take(most);
        ASSERT_EQ(got.has_value(), open != model.end());
        if (!got) continue;
        const auto begin = static_cast<std::uint64_t>(open - model.begin());
        ASSERT_EQ(got->begin, begin);
        ASSERT_LE(got->size(), most);
        for (auto i = got->begin; i < got->end; ++i) ASSERT_EQ(std::exchange(model[i], 1), 0);
        ASSERT_TRUE(got->size() == most || got->end == size || model[got->end] != 0);
        out.push_back(*got);
      } else if (!out.empty()) {
        const auto which = upto(out.size() - 1);
        const auto r = out[which];
        const auto end = r.begin + upto(r.size());
        plan.wrote(r.begin, end);
        for (auto i = r.begin; i < end; ++i) model[i] = 2;
        if (upto(1) == 0) continue;
        plan.give_back(r.begin);
        for (auto i = r.begin; i < r.end; ++i)
          if (model[i] == 1) model[i] = 0;
        out.erase(out.begin() + static_cast<std::ptrdiff_t>(which));
      }
      const auto there = static_cast<std::uint64_t>(std::count(model.begin(), model.end(), 2));
      const auto first_gap = std::find_if(model.begin(), model.end(), [](int b) { return b != 2; });
      ASSERT_EQ(plan.whole(), there);
      ASSERT_EQ(plan.prefix(), static_cast<std::uint64_t>(first_gap - model.begin()));
      ASSERT_EQ(plan.complete(), there == size);
    }
  }
}

}  // namespace
}  // namespace troupe::cache
