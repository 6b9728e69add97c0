#include "actors/catalog/provider_sync.hpp"

#include <gtest/gtest.h>

#include "tests/actors/catalog/fakes.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
using cache::cache_kind;

cache::offer row(const std::string& id) {
  cache::offer o;
  o.id = o.name = id;
  return o;
}

// Gives what the test says, in pages of one row.
struct fake_source final : cache::provider_source {
  struct script {
    std::vector<std::string> ids;
    std::optional<error> at_the_end;
    int reads = 0;
  };
  explicit fake_source(std::shared_ptr<script> s) : script_(std::move(s)) {}
  result<cache::provider_reading> read(const take_rows& take, const std::atomic<bool>*) override {
    ++script_->reads;
    cache::provider_reading out;
    for (const auto& id : script_->ids) {
      if (auto taken = take({row(id)}); !taken) return tl::unexpected(taken.error());
      ++out.rows;
    }
    if (script_->at_the_end) return tl::unexpected(*script_->at_the_end);
    return out;
  }
  std::shared_ptr<script> script_;
};

struct syncing : ::testing::Test, virtual_time {
  std::shared_ptr<fake_database> db = std::make_shared<fake_database>();
  std::shared_ptr<fake_source::script> provider = std::make_shared<fake_source::script>();
  prometheus::Registry registry;
  std::shared_ptr<sync_world> world = std::make_shared<sync_world>();
  provider_sync_actor sync;
  heard<sync_result> h;

  void SetUp() override {
    world->provider.name = "p";
    world->provider.interval_s = 60;
    world->tools.source = [s = provider] { return std::make_unique<fake_source>(s); };
    world->tools.tiers = cache::catalog_cache::make({}, nullptr, nullptr);
    world->answer_within = 30s;
    world->tools.ending = std::make_shared<std::atomic<bool>>(false);
    world->worker = spawn_worker(system, db);
    world->meter = std::make_shared<catalog_metrics>(registry, cache::cache_times());
    provider->ids = {"a", "b"};
    sync = system.spawn(provider_sync, std::shared_ptr<const sync_world>(world));
    settle();
    pass(1ms);
  }
  void TearDown() override {
    caf::anon_send_exit(sync, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(world->worker, caf::exit_reason::user_shutdown);
    settle();
  }
  std::uint64_t invalidations(cache_kind k) {
    return world->tools.tiers->counts().invalidations[static_cast<std::size_t>(k)];
  }
};

TEST_F(syncing, at_the_start_and_on_the_interval) {
  EXPECT_EQ(provider->reads, 1);
  EXPECT_EQ(db->rows.size(), 2u);
  EXPECT_EQ((db->rows[{"a", "p"}].provider), "p");
  pass(59s);
  EXPECT_EQ(provider->reads, 1);
  pass(2s);
  EXPECT_EQ(provider->reads, 2);
  pass(60s);
  EXPECT_EQ(provider->reads, 3);
}

TEST_F(syncing, what_changed_is_invalidated_and_what_did_not_is_not) {
  EXPECT_EQ(invalidations(cache_kind::provider), 1u);
  EXPECT_EQ(invalidations(cache_kind::full), 1u);
  EXPECT_EQ(invalidations(cache_kind::unique), 1u);
  EXPECT_EQ(invalidations(cache_kind::stats), 1u);
  pass(61s);
  EXPECT_EQ(provider->reads, 2);
  EXPECT_EQ(invalidations(cache_kind::provider), 1u) << "nothing has changed";
  // On demand it is, whatever came.
  caf::anon_send(sync, sync_atom::value, h.reply());
  settle();
  ASSERT_TRUE(h.answers.at(0));
  EXPECT_EQ(h.answers[0]->unchanged, 2u);
  EXPECT_EQ(invalidations(cache_kind::provider), 2u);
  provider->ids = {"a"};
  pass(61s);
  EXPECT_EQ(db->rows.size(), 1u) << "rows that left the provider";
  EXPECT_EQ(invalidations(cache_kind::provider), 3u);
}

TEST_F(syncing, a_failure_leaves_the_old_rows) {
  provider->ids = {"c"};
  provider->at_the_end = error{error_code::unavailable, "the peer is gone", {}, {}};
  caf::anon_send(sync, sync_atom::value, h.reply());
  settle();
  ASSERT_TRUE(h.answers.at(0));
  ASSERT_TRUE(h.answers[0]->why);
  EXPECT_EQ(h.answers[0]->why->message, "the peer is gone");
  EXPECT_EQ(db->rows.size(), 2u);
  EXPECT_EQ(invalidations(cache_kind::provider), 1u);
  EXPECT_EQ(db->noted.back(), (std::pair<std::string, std::string>{"p", "the peer is gone"}));
  provider->at_the_end.reset();
  db->fail_finish = true;
  caf::anon_send(sync, sync_atom::value, h.reply());
  settle();
  EXPECT_TRUE(h.answers.at(1)->why);
  EXPECT_EQ(db->rows.size(), 2u);
}

TEST_F(syncing, each_one_outdates_when_providers_were_read) {
  const cache::cache_key key{cache_kind::full, std::string(cache::all_providers), "all"};
  const auto kept = [&] {
    auto& tiers = *world->tools.tiers;
    tiers.keep(key, tiers.begin(key), std::make_shared<const cache::cached_value>("[1]"), 1);
  };
  const auto is_cached = [&] {
    bool out = false;
    world->tools.tiers->find(key, [&](const cache::cached_answer& a) { out = a.value != nullptr; });
    return out;
  };
  kept();
  EXPECT_TRUE(is_cached());
  pass(61s);
  EXPECT_EQ(provider->reads, 2);
  EXPECT_FALSE(is_cached()) << "though nothing has changed";
  provider->at_the_end = error{error_code::unavailable, "the peer is gone", {}, {}};
  kept();
  pass(60s);
  EXPECT_EQ(provider->reads, 3);
  EXPECT_FALSE(is_cached()) << "a failure is told, too";
}

TEST_F(syncing, nobody_waits_longer_than_a_connection_does) {
  // A worker that keeps what it is given until the test lets it go.
  std::vector<database_work> held;
  const catalog_worker_actor slow = system.spawn([&](catalog_worker_actor::pointer) {
    return catalog_worker_actor::behavior_type{[&](work_atom, const database_work& work) { held.push_back(work); }};
  });
  auto own = std::make_shared<sync_world>(*world);
  own->worker = slow;
  own->provider.interval_s = 0;
  const auto patient = system.spawn(provider_sync, std::shared_ptr<const sync_world>(own));
  heard<sync_result> first, second;
  caf::anon_send(patient, sync_atom::value, first.reply());
  settle();
  pass(20s);
  caf::anon_send(patient, sync_atom::value, second.reply());
  settle();
  EXPECT_TRUE(first.answers.empty());
  pass(11s);
  ASSERT_EQ(first.answers.size(), 1u);
  ASSERT_FALSE(first.answers[0]);
  EXPECT_EQ(first.answers[0].error().code, error_code::deadline_exceeded);
  EXPECT_NE(first.answers[0].error().detail.find("/catalog/providers"), std::string::npos);
  EXPECT_TRUE(second.answers.empty());
  // It goes on; whoever waits yet gets the one after it.
  ASSERT_EQ(held.size(), 1u);
  (*held[0])(*db);
  settle();
  EXPECT_EQ(db->noted.back().first, "p");
  ASSERT_EQ(held.size(), 2u);
  (*held[1])(*db);
  settle();
  ASSERT_EQ(second.answers.size(), 1u);
  EXPECT_TRUE(second.answers[0]);
  pass(60s);
  EXPECT_EQ(first.answers.size() + second.answers.size(), 2u);
  caf::anon_send_exit(patient, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(slow, caf::exit_reason::user_shutdown);
  held.clear();
  settle();
}

TEST_F(syncing, who_asks_while_one_runs_gets_the_next) {
  auto& run = dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  caf::anon_send(sync, sync_atom::value, h.reply());
  run.try_run_once();  // it is with the worker now
  provider->ids = {"z"};
  caf::anon_send(sync, sync_atom::value, h.reply());
  caf::anon_send(sync, sync_atom::value, h.reply());
  settle();
  EXPECT_EQ(h.answers.size(), 3u);
  EXPECT_EQ(provider->reads, 3) << "one for the first, one for both others";
  EXPECT_TRUE(db->rows.contains({"z", "p"}));
}

}  // namespace
}  // namespace troupe::actors
