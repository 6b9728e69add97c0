#include "actors/catalog/catalog_keeper.hpp"

#include <gtest/gtest.h>

#include "tests/actors/catalog/fakes.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
using cache::cache_kind;

struct keeping : ::testing::Test, virtual_time {
  std::shared_ptr<fake_database> db = std::make_shared<fake_database>();
  prometheus::Registry registry;
  std::shared_ptr<catalog_world> world = std::make_shared<catalog_world>();
  catalog_keeper_actor keeper;

  void SetUp() override {
    world->tiers = cache::catalog_cache::make({}, nullptr, nullptr);
    world->readers = {spawn_worker(system, db)};
    world->waiters_max = 4;
    world->meter = std::make_shared<catalog_metrics>(registry, cache::cache_times());
    db->add("a", "p", 0.1);
    db->add("a", "q", 0.05);
    db->add("b", "p");
    start();
  }
  void start() {
    keeper = system.spawn(catalog_keeper, std::shared_ptr<const catalog_world>(world));
    settle();
  }
  void TearDown() override {
    caf::anon_send_exit(keeper, caf::exit_reason::user_shutdown);
    for (auto& r : world->readers) caf::anon_send_exit(r, caf::exit_reason::user_shutdown);
    settle();
  }
  std::shared_ptr<const catalog_question> question(catalog_subject about, std::string id = {},
                                                   std::string provider = {}) {
    auto q = std::make_shared<catalog_question>();
    q->about = about;
    q->id = std::move(id);
    q->page.provider = std::move(provider);
    return q;
  }
  std::string cached(const catalog_question& q) {
    std::string out = "none";
    world->tiers->find(key_of(q), [&](const cache::cached_answer& a) {
      if (a.value) out = a.value->body;
    });
    return out;
  }
};

TEST_F(keeping, a_stampede_asks_once_and_everybody_is_answered) {
  heard<catalog_answer> h;
  const auto q = question(catalog_subject::models);
  for (int i = 0; i < 4; ++i) caf::anon_send(keeper, ask_atom::value, q, h.reply());
  settle();
  EXPECT_EQ(db->asked, 1);
  ASSERT_EQ(h.answers.size(), 4u);
  for (const auto& a : h.answers) {
    ASSERT_TRUE(a);
    EXPECT_EQ(a->from, answered_from::database);
    EXPECT_EQ(a->json->etag, h.answers[0]->json->etag);
  }
  EXPECT_EQ(cached(*q), h.answers[0]->json->body);
}

TEST_F(keeping, too_many_wait) {
  heard<catalog_answer> h;
  for (int i = 0; i < 6; ++i) caf::anon_send(keeper, ask_atom::value, question(catalog_subject::stats), h.reply());
  settle();
  ASSERT_EQ(h.answers.size(), 6u);
  int refused = 0;
  for (const auto& a : h.answers) refused += !a && a.error().code == error_code::too_many_requests ? 1 : 0;
  EXPECT_EQ(refused, 2);
}

TEST_F(keeping, who_asks_after_an_invalidation_joins_no_older_flight) {
  heard<catalog_answer> before, after;
  const auto q = question(catalog_subject::stats);
  // Nothing runs until settle(): the first flight is in the worker's mailbox.
  caf::anon_send(keeper, ask_atom::value, q, before.reply());
  auto& run = dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  run.try_run_once();
  world->tiers->invalidate({{cache_kind::stats, {}, {}}}, [](bool) {});
  caf::anon_send(keeper, ask_atom::value, q, after.reply());
  settle();
  EXPECT_EQ(db->asked, 2);
  EXPECT_EQ(before.answers.size(), 1u);
  EXPECT_EQ(after.answers.size(), 1u);
  EXPECT_NE(cached(*q), "none");
}

TEST_F(keeping, empty_results_are_no_truth) {
  heard<catalog_answer> h;
  const auto q = question(catalog_subject::models, {}, "nobody");
  caf::anon_send(keeper, ask_atom::value, q, h.reply());
  settle();
  ASSERT_TRUE(h.answers.at(0));
  EXPECT_NE(h.answers[0]->json->body.find("\"data\":[]"), std::string::npos);
  EXPECT_TRUE(h.answers[0]->empty);
  EXPECT_EQ(cached(*q), "none");
}

TEST_F(keeping, an_unknown_model_is_not_found) {
  heard<catalog_answer> h;
  caf::anon_send(keeper, ask_atom::value, question(catalog_subject::model, "zzz"), h.reply());
  caf::anon_send(keeper, ask_atom::value, question(catalog_subject::pricing, "a"), h.reply());
  settle();
  ASSERT_EQ(h.answers.size(), 2u);
  EXPECT_EQ(h.answers[0].error().code, error_code::model_not_found);
  ASSERT_TRUE(h.answers[1]);
  EXPECT_EQ(h.answers[1]->json->body,
            R"({"id":"a","provider":"q","prompt":0.05,"completion":null,"offers":[{"provider":"q","prompt":0.05,)"
            R"("completion":null},{"provider":"p","prompt":0.1,"completion":null}]})");
}

TEST_F(keeping, while_the_database_is_away_memory_answers) {
  heard<catalog_answer> h;
  const auto q = question(catalog_subject::stats);
  caf::anon_send(keeper, ask_atom::value, q, h.reply());
  settle();
  world->tiers->invalidate({{cache_kind::stats, {}, {}}}, [](bool) {});
  db->problem = error{error_code::unavailable, "gone", {}, {}};
  caf::anon_send(keeper, ask_atom::value, q, h.reply());
  caf::anon_send(keeper, ask_atom::value, question(catalog_subject::models), h.reply());
  settle();
  ASSERT_EQ(h.answers.size(), 3u);
  ASSERT_TRUE(h.answers[1]);
  EXPECT_TRUE(h.answers[1]->stale);
  EXPECT_EQ(h.answers[1]->from, answered_from::local);
  EXPECT_EQ(h.answers[2].error().code, error_code::unavailable) << "of this it has nothing";
}

TEST_F(keeping, refreshes_are_one_and_answer_nobody) {
  const auto q = question(catalog_subject::stats);
  for (int i = 0; i < 100; ++i) caf::anon_send(keeper, refresh_atom::value, q);
  settle();
  EXPECT_EQ(db->asked, 1);
  EXPECT_NE(cached(*q), "none");
}

TEST_F(keeping, the_start_is_told_once) {
  int warmed = 0;
  world->warm = [&] { ++warmed; };
  pass(10s);
  EXPECT_EQ(warmed, 1);
}

}  // namespace
}  // namespace troupe::actors
