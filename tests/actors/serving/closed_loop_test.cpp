// The plan, the hold and the actors together: no number of clients and no start leaves slots idle while requests wait.
// The clients' counts are those of the benchmark's sweep (bench/). TROUPE_SHOW=1 prints the tables.

#include "tests/actors/serving/closed_loop.hpp"

#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using namespace testing;

#ifdef __SANITIZE_ADDRESS__  // which is twenty times slower, and looks for other things
const std::vector<std::uint32_t> counts{1, 8, 32, 33, 64};
constexpr std::uint64_t starts = 2;
#else
const std::vector<std::uint32_t> counts{1, 2, 3, 4, 6, 8, 12, 16, 24, 31, 32, 33, 48, 64, 128, 256};
constexpr std::uint64_t starts = 3;
#endif

// Of a few starts: none is below 0.9 of another, no count is below 0.9 of the best share at fewer clients, and from two
// clients a slot on nothing is below `least` of what the slots can do.
void sweep(loop_options o, double least) {
  double best_before = 0;
  for (const auto c : counts) {
    o.clients = c;
    double low = 1e9, high = 0, items = 0;
    for (o.seed = 1; o.seed <= starts; ++o.seed) {
      const auto r = closed_loop(o).run();
      low = std::min(low, r.share());
      high = std::max(high, r.share());
      items += r.batch_items / starts;
    }
    if (std::getenv("TROUPE_SHOW"))
      std::printf("%4u clients: share %.3f to %.3f, %.1f rows a batch\n", c, low, high, items);
    EXPECT_GE(low, 0.9 * high) << c << " clients: starts differ";
    EXPECT_GE(low, 0.9 * best_before) << c << " clients: fewer do better";
    if (c * o.models >= 2 * o.slots) {
      EXPECT_GE(low, least) << c << " clients";
    }
    best_before = std::max(best_before, high);
  }
}

TEST(ClosedLoop, TwoSlotsOfASmallEncoder) { sweep({}, 0.9); }

TEST(ClosedLoop, TwoSlotsOfALargeEncoder) {
  loop_options o;
  o.fixed_us = 4000;
  o.per_item_us = 20000;
  o.measured = 8s;
  sweep(o, 0.9);
}

TEST(ClosedLoop, TwoCoresThatShareTheirMemory) {
  loop_options o;
  o.slowdown = 1.3;
  sweep(o, 0.9);
}

TEST(ClosedLoop, TwoModels) {
  loop_options o;
  o.models = 2;
  sweep(o, 0.9);
}

TEST(ClosedLoop, SixteenSlotsOfAModelThatSleeps) {
  loop_options o;
  o.slots = 16;
  o.fixed_us = 20000;
  o.per_item_us = 0.01;
  o.measured = 2s;
  sweep(o, 0.9);
}

TEST(ClosedLoop, SixteenSlots) {
  loop_options o;
  o.slots = 16;
  o.measured = 1s;
  sweep(o, 0.9);
}

TEST(ClosedLoop, SixtyFourSlotsOfAModelThatSleeps) {
  loop_options o;
  o.slots = 64;
  o.fixed_us = 20000;
  o.per_item_us = 0.01;
  o.settling = o.measured = 1s;
  sweep(o, 0.9);
}

TEST(ClosedLoop, SixtyFourSlots) {
  loop_options o;
  o.slots = 64;
  o.settling = o.measured = 600ms;
  sweep(o, 0.9);
}

}  // namespace
}  // namespace troupe::actors
