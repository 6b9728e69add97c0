#include "actors/catalog/catalog_edits.hpp"

#include <gtest/gtest.h>

#include "tests/actors/catalog/fakes.hpp"

namespace troupe::actors {
namespace {

using testing::fake_database;

struct editing : ::testing::Test {
  fake_database db;
  std::shared_ptr<cache::catalog_cache> tiers = cache::catalog_cache::make({}, nullptr, nullptr);
  result<edit_report> edit(const offer_edit& change) {
    result<edit_report> out = fail(error_code::internal, "no answer");
    carry_out_edit(db, *tiers, change, one_shot<edit_report>([&](result<edit_report> r) { out = std::move(r); }));
    return out;
  }
  result<edit_report> remove(const std::string& id, const std::string& provider = {}) {
    result<edit_report> out = fail(error_code::internal, "no answer");
    carry_out_removal(db, *tiers, id, provider,
                      one_shot<edit_report>([&](result<edit_report> r) { out = std::move(r); }));
    return out;
  }
};

TEST_F(editing, changes_what_is_said_and_nothing_else) {
  db.add("a", "p", 0.5);
  offer_edit e;
  e.id = "a";
  e.name = "A";
  ASSERT_TRUE(edit(e));
  EXPECT_EQ(db.edits, 1);
  EXPECT_EQ(db.asked, 0) << "in one transaction";
  const auto& row = db.rows[{"a", "p"}];
  EXPECT_EQ(row.name, "A");
  EXPECT_EQ(row.prompt_price, 0.5);
  EXPECT_TRUE(row.edited);
  e.prompt_price.emplace(std::nullopt);
  ASSERT_TRUE(edit(e));
  EXPECT_EQ((db.rows[{"a", "p"}].prompt_price), std::nullopt);
}

TEST_F(editing, of_several_offers_one_must_be_named) {
  db.add("a", "p", 0.5);
  db.add("a", "q", 0.4);
  offer_edit e;
  e.id = "a";
  e.name = "A";
  const auto refused = edit(e);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::bad_request);
  EXPECT_EQ(refused.error().detail, "\"provider\" is one of p, q");
  e.provider = "q";
  ASSERT_TRUE(edit(e));
  EXPECT_EQ((db.rows[{"a", "q"}].name), "A");
  EXPECT_EQ((db.rows[{"a", "p"}].name), "a");
}

TEST_F(editing, a_new_one_is_somebodys) {
  offer_edit e;
  e.id = "new";
  ASSERT_TRUE(edit(e));
  EXPECT_TRUE(db.rows.contains({"new", "manual"}));
  e.id = "other";
  e.provider = "No Name";
  EXPECT_EQ(edit(e).error().code, error_code::bad_request);
}

TEST_F(editing, what_was_cached_of_it_is_outdated) {
  db.add("a", "p", 0.5);
  const cache::cache_key keys[] = {{cache::cache_kind::model, "a", {}},     {cache::cache_kind::pricing, "a", {}},
                                   {cache::cache_kind::provider, "p", "x"}, {cache::cache_kind::full, {}, "x"},
                                   {cache::cache_kind::unique, {}, "x"},    {cache::cache_kind::stats, {}, {}}};
  const auto fill = [&] {
    for (const auto& k : keys) tiers->keep(k, tiers->begin(k), std::make_shared<const cache::cached_value>("[1]"), 1);
  };
  const auto found = [&] {
    int n = 0;
    for (const auto& k : keys) tiers->find(k, [&](const cache::cached_answer& a) { n += a.value ? 1 : 0; });
    return n;
  };
  fill();
  EXPECT_EQ(found(), 6);
  offer_edit e;
  e.id = "a";
  ASSERT_TRUE(edit(e));
  EXPECT_EQ(found(), 0);
  fill();
  ASSERT_TRUE(remove("a"));
  EXPECT_EQ(found(), 0);
  EXPECT_TRUE(db.rows.empty());
}

TEST_F(editing, what_is_not_there_cannot_go) {
  db.add("a", "p");
  EXPECT_EQ(remove("b").error().code, error_code::model_not_found);
  EXPECT_EQ(remove("a", "q").error().code, error_code::model_not_found);
  db.problem = error{error_code::unavailable, "gone", {}, {}};
  EXPECT_EQ(remove("a").error().code, error_code::unavailable);
  offer_edit e;
  e.id = "a";
  EXPECT_EQ(edit(e).error().code, error_code::unavailable);
}

}  // namespace
}  // namespace troupe::actors
