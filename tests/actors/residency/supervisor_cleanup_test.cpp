// What leaves although nobody needs its room: TTL and cleanups.

#include "tests/actors/residency/supervisor_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
using config::priority;

TEST_F(Supervisor, TtlUnloadsIdleModelsOnly) {
  add("a").cache_ttl_s = 10;
  add("b").cache_ttl_s = 10;
  start();
  load_model("a");
  load_model("b");
  time.pass(8s);
  use("b");
  time.pass(4s);
  EXPECT_EQ(resident(), names{"b"});
}

TEST_F(Supervisor, CleanupGoesBelowTheThresholdInTheDocumentsOrder) {
  add("low", 30 * mb).priority = priority::low;
  add("mid", 30 * mb).priority = priority::medium;
  add("high", 30 * mb).priority = priority::high;
  start();
  for (const auto* m : {"high", "mid", "low"}) load_model(m);
  time.pass(5s);
  auto c = clean();
  ASSERT_TRUE(c.here());
  EXPECT_EQ(c.get()->models_unloaded, names{"low"});
  EXPECT_EQ(c.get()->before_bytes, 90 * mb);
  EXPECT_EQ(c.get()->after_bytes, 60 * mb);
  EXPECT_EQ(c.get()->reason, "memory_threshold_exceeded");
  auto again = clean();
  EXPECT_EQ(again.get()->reason, "not_needed");
  EXPECT_TRUE(again.get()->models_unloaded.empty());
  EXPECT_EQ(report().cleanups.cleanups, 1u) << "one with nothing to do is not counted";
}

TEST_F(Supervisor, CleanupRunsByItselfOnItsInterval) {
  add("a", 90 * mb);
  start();
  load_model("a");
  time.pass(299s);
  EXPECT_EQ(resident(), names{"a"});
  time.pass(2s);
  EXPECT_TRUE(resident().empty());
}

TEST_F(Supervisor, ACleanupThatSparesAllSaysSo) {
  add("a", 90 * mb);
  start();
  load_model("a");
  auto c = clean();
  EXPECT_EQ(c.get()->reason, "all_spared") << "just loaded";
  EXPECT_TRUE(c.get()->models_unloaded.empty());
  time.pass(5s);
  auto work = occupy("a");
  EXPECT_EQ(clean().get()->reason, "all_spared") << "in use";
  work.reset();
  EXPECT_EQ(report().cleanups.cleanups, 0u) << "a cleanup without effect is not counted";
  EXPECT_EQ(clean().get()->reason, "memory_threshold_exceeded");
  EXPECT_EQ(clean().get()->reason, "not_needed");
  registry.models["a"].pinned = true;
  change_registry();
  load_model("a");
  time.pass(5s);
  EXPECT_EQ(clean().get()->reason, "all_spared") << "pinned";
}

TEST_F(Supervisor, AScanThatSparedTheJustLoadedLooksAgainSoon) {
  add("a", 90 * mb);
  world->settings.min_resident_ms = 3000;
  start();
  time.pass(298s);
  load_model("a");
  time.pass(2s);  // the scan
  EXPECT_EQ(resident(), names{"a"});
  time.pass(3s);
  EXPECT_TRUE(resident().empty());
  EXPECT_EQ(report().cleanups.last_reason, "memory_threshold_exceeded");
}

TEST_F(Supervisor, ACleanupTellsWhatHadExpired) {
  add("a").cache_ttl_s = 10;
  add("b");
  start();
  load_model("a");
  load_model("b");
  time.pass(9600ms);
  EXPECT_EQ(clean().get()->reason, "not_needed");
  time.pass(500ms);  // the timer's next look is later
  ASSERT_EQ(resident(), (names{"a", "b"}));
  auto c = clean();
  EXPECT_EQ(c.get()->reason, "ttl_expired");
  EXPECT_EQ(c.get()->models_unloaded, names{"a"});
  EXPECT_EQ(c.get()->before_bytes - c.get()->after_bytes, 10 * mb);
  EXPECT_EQ(report().cleanups.cleanups, 1u);
}

TEST_F(Supervisor, AReportTellsWhenAModelExpires) {
  add("idle").cache_ttl_s = 10;
  add("kept").cache_ttl_s = 0;
  auto& pinned = add("pinned");
  pinned.cache_ttl_s = 10;
  pinned.pinned = true;
  add("unloaded").cache_ttl_s = 10;
  start();
  for (const char* name : {"idle", "kept", "pinned"}) load_model(name);
  time.pass(3500ms);
  std::map<std::string, std::optional<std::chrono::seconds>> told;
  for (const auto& m : report().models) told[m.registration.name] = m.expires_in;
  EXPECT_EQ(told, (decltype(told){{"idle", 7s}, {"kept", {}}, {"pinned", {}}, {"unloaded", {}}}));
}

TEST_F(Supervisor, WhatTheTimerExpiresIsTold) {
  add("a").cache_ttl_s = 10;
  start();
  EXPECT_EQ(report().cleanups.last_reason, "");
  load_model("a");
  time.pass(12s);
  EXPECT_TRUE(resident().empty());
  EXPECT_EQ(report().cleanups.last_reason, "ttl_expired");
  EXPECT_TRUE(report().cleanups.last);
}

TEST_F(Supervisor, TheThresholdIsAShareOfWhatTheLimitIsAShareOf) {
  world->settings.max_memory_usage = 0.8;
  world->settings.memory_threshold = 0.4;  // half of the budget, wherever that comes from
  for (const auto* m : {"a", "b"}) add(m, 30 * mb);
  start();
  EXPECT_EQ(report().memory.threshold_bytes, 50 * mb);
  load_model("a");
  time.pass(2s);
  load_model("b");
  time.pass(2s);
  EXPECT_EQ(clean().get()->models_unloaded, names{"a"});
}

}  // namespace
}  // namespace troupe::actors
