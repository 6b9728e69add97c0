// The supervisor, with all that can happen to it.

#include <random>

#include "tests/actors/residency/supervisor_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

// Everything at once, in any order. Whenever something is resident, it is what a registration that was in force since
// its load says; and in the end the ledger is empty and the last word of the registry is served.
TEST_F(Supervisor, AnyOrderOfLoadsUnloadsAndRegistriesEndsRight) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto one_of = [&](unsigned n) { return static_cast<int>(random() % n); };
  for (int i = 0; i < 4; ++i) add(numbered(i), static_cast<std::uint64_t>(i + 1) * 20 * mb);
  start();
  load_at_once = reclaim_at_once = estimate_at_once = false;
  std::vector<answer<load_report>> loads_asked;
  std::vector<answer<load_start>> begun;
  std::vector<answer<unload_report>> unloads_asked;
  std::vector<made_job> requests;
  auto spare = registry.models;
  for (int step = 0; step < 3000; ++step) {
    const auto name = numbered(one_of(4));
    const bool known = registry.models.contains(name);
    switch (one_of(10)) {
      case 0:
        switch (one_of(3)) {
          case 0: loads_asked.push_back(load_model(name, 5000)); break;
          case 1: loads_asked.push_back(reload_model(name, 5000)); break;
          default: begun.push_back(begin_load(name, one_of(2) == 0));
        }
        break;
      case 1: unloads_asked.push_back(unload_model(name)); break;
      case 2: requests.push_back(request(name, 3s)); break;
      case 3:
        if (known) registry.models[name].max_length = static_cast<std::uint32_t>(one_of(3) + 1);
        change_registry();
        break;
      case 4:
        if (known)
          registry.models.erase(name);
        else
          registry.models[name] = spare[name];
        change_registry();
        break;
      case 5:
        if (known && one_of(4) == 0)
          if (const auto home = entry(name)->current.load()) caf::anon_send_exit(home->actor, caf::exit_reason::kill);
        time.settle();
        break;
      case 6: time.pass(std::chrono::milliseconds(one_of(400))); break;
      case 7:
        if (!estimates.empty()) end_estimate();
        break;
      case 8:
        if (loads.empty()) break;
        if (one_of(5) == 0)
          fail_load("no");
        else
          end_load();
        break;
      default:
        if (!reclaims.empty()) end_reclaim();
    }
    ASSERT_LE(report().memory.used_bytes, world->budget_bytes);
  }
  registry.models = spare;
  for (auto& [name, m] : registry.models) m.max_length = 7;
  change_registry();
  const auto finish = [&] {
    for (int i = 0; i < 200; ++i) {
      while (!estimates.empty()) end_estimate();
      while (!loads.empty()) end_load();
      while (!reclaims.empty()) end_reclaim();
      time.pass(100ms);
    }
  };
  finish();
  for (int i = 0; i < 4; ++i) unload_model(numbered(i));
  finish();
  EXPECT_EQ(report().memory.used_bytes, 0u);
  EXPECT_EQ(report().memory.reserved_bytes, 0u);
  EXPECT_EQ(report().load_waiters, 0u);
  for (auto& a : loads_asked) EXPECT_TRUE(a.here());
  for (auto& a : begun) EXPECT_TRUE(a.here());
  for (auto& a : unloads_asked) EXPECT_TRUE(a.here());
  load_at_once = reclaim_at_once = estimate_at_once = true;
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(load_model(numbered(i)).get());
    EXPECT_EQ(served_length(numbered(i)), 7);
    unload_model(numbered(i));
  }
  EXPECT_EQ(report().memory.used_bytes, 0u);
}

}  // namespace
}  // namespace troupe::actors
