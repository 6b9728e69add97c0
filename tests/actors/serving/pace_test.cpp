#include "actors/serving/pace.hpp"

#include <gtest/gtest.h>

#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
using std::chrono::microseconds;

// A model on one slot of one device, whose batches take `fixed + each` for every item.
struct Pace : ::testing::Test {
  std::shared_ptr<fake_slot> slot = std::make_shared<fake_slot>(0);
  grant g{slot, 1, 1, 1, false, std::make_shared<const std::vector<slot_ptr>>(std::vector<slot_ptr>{slot}), 0};
  batch_limits limits{64, 1024};
  steady_time now{std::chrono::hours(1)};
  pace learned;

  void run(std::uint32_t items, microseconds took) {
    batch b;
    b.instance = std::make_unique<fake_model::runner>();
    const auto job = make_job(no_deadline, config::priority::medium, items);
    for (std::uint32_t i = 0; i < items; ++i) b.items.push_back(make_item(job.job));
    b.cost = items;
    learned.begins(b, g, now);
    now += took;
    b.took = took;
    learned.ended(b, items, now);
    for (const auto& it : b.items) it->job->cancel();
  }
  // Clients that come back as soon as they are answered, for a while.
  void settle(microseconds took) {
    for (int i = 0; i < 30; ++i) {
      run(8, took);
      learned.arrived(8, now + microseconds(10));
    }
    run(8, took);  // these are due now
  }
  pace::decision decide(std::uint64_t items) { return learned.decide({items, items}, g, limits, 1, now, now, true); }
};

TEST_F(Pace, ALongBatchWaitsAMomentForThoseWhoAreDue) {
  settle(20ms);
  const auto d = decide(1);
  EXPECT_GT(d.hold_until, now);
  EXPECT_LE(d.hold_until, now + 1200us) << "a twentieth of a batch of nine";
}

TEST_F(Pace, AShortBatchIsNotWorthATimer) {
  settle(100us);
  EXPECT_LE(decide(1).hold_until, now);
}

TEST_F(Pace, NobodyIsWaitedForWhenAllAreThere) {
  settle(20ms);
  learned.arrived(8, now);
  EXPECT_LE(decide(8).hold_until, now);
}

}  // namespace
}  // namespace troupe::actors
