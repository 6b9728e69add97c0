// Unloads by name.

#include "tests/actors/residency/supervisor_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

TEST_F(Supervisor, UnloadAnswersWhenTheMemoryIsBack) {
  add("a");
  reclaim_at_once = false;
  start();
  load_model("a");
  auto u = unload_model("a");
  EXPECT_FALSE(u.here());
  end_reclaim();
  EXPECT_EQ(u.get()->freed_bytes, 10 * mb);
  EXPECT_TRUE(unload_model("a").get()->already);
  EXPECT_EQ(unload_model("nobody").get().error().code, error_code::model_not_found);
  EXPECT_EQ(report().memory.used_bytes, 0u);
}

TEST_F(Supervisor, TheFirstOfManyUnloadsTellsTheBytes) {
  add("a");
  reclaim_at_once = false;
  start();
  load_model("a");
  std::vector<answer<unload_report>> all;
  for (int i = 0; i < 4; ++i) all.push_back(unload_model("a"));
  end_reclaim();
  EXPECT_EQ(all[0].get()->freed_bytes, 10 * mb);
  for (int i = 1; i < 4; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get()->freed_bytes, 0u);
}

TEST_F(Supervisor, UnloadDuringALoadCancelsIt) {
  add("a");
  load_at_once = false;
  start();
  auto l = load_model("a");
  auto u = unload_model("a");
  EXPECT_TRUE(u.here());
  EXPECT_EQ(l.get().error().code, error_code::conflict);
  EXPECT_TRUE(loads.front().order->cancelled->load());
  EXPECT_EQ(report().memory.used_bytes, 10 * mb) << "its reservation holds until the loader has let go";
  end_load();
  EXPECT_TRUE(resident().empty());
  EXPECT_EQ(report().memory.used_bytes, 0u);
}

TEST_F(Supervisor, UnloadDuringAReloadLeavesNothing) {
  add("a").max_length = 8;
  start();
  load_model("a");
  load_at_once = false;
  change_length("a", 16);
  auto waits = load_model("a");
  auto u = unload_model("a");
  EXPECT_EQ(u.get()->freed_bytes, 10 * mb);
  EXPECT_EQ(waits.get().error().code, error_code::conflict);
  end_load();
  EXPECT_EQ(served_length("a"), -1);
  EXPECT_EQ(report().memory.used_bytes, 0u);
}

}  // namespace
}  // namespace troupe::actors
