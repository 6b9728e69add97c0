// Who must leave so that a load fits, and the ledger beside it.

#include "tests/actors/residency/supervisor_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
using config::priority;

TEST_F(Supervisor, EvictsTheLeastRecentlyUsedSoThatALoadFits) {
  for (const auto* m : {"a", "b", "c"}) add(m, 40 * mb);
  start();
  load_model("a");
  load_model("b");
  time.pass(5s);
  use("a");
  load_model("c");
  EXPECT_EQ(resident(), (names{"a", "c"}));
  EXPECT_EQ(report().memory.used_bytes, 80 * mb);
}

TEST_F(Supervisor, ReservesBeforeItLoads_TwoLoadsCannotOversubscribe) {
  add("a", 60 * mb);
  add("b", 60 * mb);
  load_at_once = false;
  start();
  load_model("a");
  auto b = load_model("b");
  EXPECT_EQ(loads.size(), 1u) << "the second does not fit beside the first's reservation";
  EXPECT_EQ(report().memory.reserved_bytes, 60 * mb);
  end_load();
  time.pass(2s);
  ASSERT_EQ(loads.size(), 1u);
  end_load();
  EXPECT_TRUE(b.here());
  EXPECT_EQ(resident(), names{"b"});
}

TEST_F(Supervisor, MemoryIsUsedUntilItIsBack) {
  add("a", 60 * mb);
  add("b", 60 * mb);
  reclaim_at_once = false;
  start();
  load_model("a");
  time.pass(2s);
  auto b = load_model("b");
  EXPECT_TRUE(loads.empty());
  EXPECT_EQ(report().memory.draining_bytes, 60 * mb);
  EXPECT_FALSE(b.here());
  end_reclaim();
  EXPECT_TRUE(b.here());
}

TEST_F(Supervisor, LargerThanTheBudgetIsRefusedAndEvictsNobody) {
  add("a");
  add("huge", 101 * mb);
  start();
  load_model("a");
  time.pass(5s);
  EXPECT_EQ(load_model("huge").get().error().code, error_code::insufficient_memory);
  EXPECT_EQ(resident(), names{"a"});
}

TEST_F(Supervisor, PinnedStaysAndALoadThatCannotFitBesideItFails) {
  add("a", 60 * mb).pinned = true;
  add("b", 60 * mb);
  start();
  load_model("a");
  time.pass(5s);
  EXPECT_EQ(load_model("b").get().error().code, error_code::insufficient_memory);
  EXPECT_EQ(resident(), names{"a"});
}

TEST_F(Supervisor, ABusyModelIsSparedThenDrainedWhenTheWaitIsLong) {
  add("a", 60 * mb);
  add("b", 60 * mb);
  start();
  load_model("a");
  time.pass(5s);
  auto work = occupy("a");
  auto b = load_model("b");
  time.pass(400ms);
  EXPECT_EQ(resident(), names{"a"}) << "busy";
  time.pass(200ms);
  EXPECT_TRUE(resident().empty()) << "it takes no more requests, but what is inside finishes";
  EXPECT_FALSE(b.here());
  work.reset();
  time.settle();
  EXPECT_TRUE(b.here());
  EXPECT_EQ(resident(), names{"b"});
}

TEST_F(Supervisor, JustLoadedIsSpared) {
  add("a", 60 * mb);
  add("b", 60 * mb);
  start();
  load_model("a");
  auto b = load_model("b");
  EXPECT_EQ(resident(), names{"a"});
  time.pass(1s);
  EXPECT_TRUE(b.here());
  EXPECT_EQ(resident(), names{"b"});
}

TEST_F(Supervisor, OfTwoJustLoadedTheLeastRecentlyUsedGoes) {
  for (const auto* m : {"a", "b", "c"}) add(m, 40 * mb).priority = priority::medium;
  start();
  load_model("a");
  time.pass(300ms);
  load_model("b");
  time.pass(300ms);
  use("a");
  auto c = load_model("c");
  time.pass(650ms);
  EXPECT_EQ(resident(), (names{"a", "b"}))
      << "a may go by now, but b was used less recently and will soon be free to go";
  time.pass(300ms);
  EXPECT_TRUE(c.here());
  EXPECT_EQ(resident(), (names{"a", "c"}));
}

TEST_F(Supervisor, MaxModelsBoundsTheCount) {
  for (const auto* m : {"a", "b", "c"}) add(m, mb);
  world->settings.max_models = 2;
  start();
  load_model("a");
  load_model("b");
  time.pass(5s);
  load_model("c");
  EXPECT_EQ(resident(), (names{"b", "c"}));
}

TEST_F(Supervisor, ASharedMappingIsCountedOnceAndNeedsNoRoom) {
  add("a", 60 * mb);
  add("b", 60 * mb);
  artifacts["a"].mapping = artifacts["b"].mapping = 9;
  start();
  load_model("a");
  load_model("b");
  EXPECT_EQ(resident(), (names{"a", "b"}));
  EXPECT_EQ(report().memory.used_bytes, 60 * mb);
}

// One artifact in two precisions: one fingerprint, two files to map.
TEST_F(Supervisor, TheSameArtifactInAnotherPrecisionNeedsItsOwnRoom) {
  add("fp32", 60 * mb);
  add("bf16", 60 * mb);
  artifacts["fp32"].mapping = 1;
  artifacts["bf16"].mapping = 2;
  world->settings.min_resident_ms = 0;
  start();
  load_model("fp32");
  load_model("bf16");
  EXPECT_EQ(resident(), (names{"bf16"}));
  EXPECT_LE(report().memory.used_bytes, 100 * mb);
}

TEST_F(Supervisor, ALoadWaitsForTheReloadsOfThoseThatItCouldTakeThePlaceOf) {
  add("a").max_length = 8;
  add("b");
  world->settings.max_models = 1;
  start();
  load_model("a");
  time.pass(2s);
  estimate_at_once = false;
  change_length("a", 16);  // a is being reloaded
  auto b = load_model("b");
  while (!estimates.empty()) end_estimate();
  time.pass(2s);
  ASSERT_TRUE(b.here());
  EXPECT_TRUE(b.get());
  EXPECT_EQ(resident(), names{"b"});
}

TEST_F(Supervisor, AReloadThatWaitsBehindALoadThatItKeepsOutGoesFirst) {
  add("a").max_length = 8;
  add("b");
  add("c").max_length = 8;
  world->settings.max_models = 2;
  world->settings.max_eviction_wait_ms = 60'000;
  start();
  load_model("a");
  load_model("c");
  time.pass(2s);
  // b waits, for both are in use; then both are reloaded behind it.
  std::vector<std::unique_ptr<ticket>> work;
  for (const auto* m : {"a", "c"}) work.push_back(occupy(m));
  auto b = load_model("b");
  registry.models["a"].max_length = registry.models["c"].max_length = 16;
  change_registry();
  work.clear();
  time.pass(3s);
  ASSERT_TRUE(b.here());
  EXPECT_TRUE(b.get());
  EXPECT_EQ(resident().size(), 2u);
}

TEST_F(Supervisor, TheLedgerIsExactAfterManyCycles) {
  for (int i = 0; i < 8; ++i) {
    const auto name = numbered(i);
    add(name, (i % 3 + 1) * 10 * mb);
    artifacts[name].mapping = static_cast<std::uint64_t>(i) / 2 + 1;
    artifacts[name].size_bytes = (static_cast<std::uint64_t>(i) / 2 + 1) * 10 * mb;
  }
  start();
  for (int round = 0; round < 64; ++round)
    for (int i = 0; i < 8; ++i) {
      load_model(numbered(i));
      time.pass(1100ms);
      if ((round + i) % 3 == 0) unload_model(numbered((i + 5) % 8));
    }
  for (int i = 0; i < 8; ++i) unload_model(numbered(i));
  EXPECT_EQ(report().memory.used_bytes, 0u);
  EXPECT_EQ(report().memory.draining_bytes, 0u);
}

}  // namespace
}  // namespace troupe::actors
