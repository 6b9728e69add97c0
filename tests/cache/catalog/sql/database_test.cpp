#include <gmock/gmock.h>

#include <thread>

#include "cache/catalog/sql/schema.hpp"
#include "tests/cache/catalog/sql/support.hpp"

namespace troupe::cache::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using strings = std::vector<std::string>;

class Database : public on_database {
 protected:
  strings found(const std::string& search) {
    page_query q;
    q.search = search;
    q.limit = 1000;
    const auto page = must(db_->list(q));
    EXPECT_EQ(page.total, page.offers.size()) << search;
    strings out;
    for (const auto& row : page.offers) out.push_back(row.id);
    return out;
  }
};

TEST_P(Database, AnEmptyCatalogAnswers) {
  const auto page = must(db_->list({}));
  EXPECT_EQ(page.total, 0u);
  EXPECT_FALSE(page.has_more);
  EXPECT_THAT(must(db_->offers_of("nobody")), IsEmpty());
  EXPECT_THAT(must(db_->providers()), IsEmpty());
  EXPECT_EQ(must(db_->counts()).offers, 0u);
  must(db_->each_offer("", [](const offer&) { return true; }));
}

TEST_P(Database, ARowComesBackAsItWas) {
  offer row = make_offer("openrouter", "deepseek/deepseek-r1:free", 0.1 + 0.2);
  row.name = "DeepSeek: R1 (free)";
  row.task = "text-generation";
  row.description = "tabs\tlines\nreturns\r back\\slashes \\N \"quotes\" 'more' \xE2\x82\xAC \xF0\x9F\x98\x80";
  row.completion_price = 5e-324;
  row.context_length = context_length_max;
  row.created_s = -1;
  offer bare = make_offer("openrouter", "x");
  sync(*db_, "openrouter", {row, bare});
  EXPECT_THAT(must(db_->offers_of(row.id)), ElementsAre(row));
  EXPECT_THAT(must(db_->offers_of("x")), ElementsAre(bare));
  row.edited = true;
  must(db_->put(row));
  EXPECT_THAT(must(db_->offers_of(row.id)), ElementsAre(row));
}

TEST_P(Database, TextsAreCutAndNamesGiven) {
  auto row = make_offer("p", "x", -0.0);
  row.name.clear();
  row.description = std::string(offer_text_bytes_max - 1, 'd') + "\xE2\x82\xAC";
  sync(*db_, "p", {row});
  const auto rows = must(db_->offers_of("x"));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].name, "x");
  EXPECT_EQ(rows[0].description, std::string(offer_text_bytes_max - 1, 'd'));
  EXPECT_FALSE(std::signbit(*rows[0].prompt_price));
}

TEST_P(Database, ASyncReplacesAProvidersRows) {
  sync(*db_, "other", {make_offer("other", "a"), make_offer("other", "z")});
  auto out = sync(*db_, "p", {make_offer("p", "a", 1), make_offer("p", "b", 1), make_offer("p", "c", 1)});
  EXPECT_EQ(out.added, 3u);
  EXPECT_THAT(out.touched_ids, UnorderedElementsAre("a", "b", "c"));
  out = sync(*db_, "p", {make_offer("p", "b", 1), make_offer("p", "c", 2), make_offer("p", "d", 1)});
  EXPECT_EQ(out.added, 1u);
  EXPECT_EQ(out.changed, 1u);
  EXPECT_EQ(out.unchanged, 1u);
  EXPECT_EQ(out.removed, 1u);
  EXPECT_THAT(out.touched_ids, UnorderedElementsAre("a", "c", "d"));
  EXPECT_THAT(keys(must(db_->list({})).offers), ElementsAre("other a", "p b", "p c", "p d", "other z"));
  EXPECT_EQ(*must(db_->offers_of("c"))[0].prompt_price, 2);
  out = sync(*db_, "p", {});
  EXPECT_EQ(out.removed, 3u);
  EXPECT_THAT(keys(must(db_->list({})).offers), ElementsAre("other a", "other z"));
}

TEST_P(Database, TheLastOfARepeatedIdCounts) {
  auto s = must(db_->begin_sync("p"));
  must(s->add({make_offer("p", "a", 1), make_offer("p", "a", 2)}));
  must(s->add({make_offer("p", "b", 3), make_offer("p", "a", 4)}));
  const auto out = must(s->finish());
  EXPECT_EQ(out.added, 2u);
  EXPECT_EQ(*must(db_->offers_of("a"))[0].prompt_price, 4);
}

TEST_P(Database, ASyncThatDoesNotFinishChangesNothing) {
  sync(*db_, "p", {make_offer("p", "a")});
  {
    auto s = must(db_->begin_sync("p"));
    must(s->add({make_offer("p", "b")}));
    EXPECT_THAT(keys(must(db_->list({})).offers), ElementsAre("p a"));
    must(db_->put(make_offer("hand", "h")));  // nothing is held meanwhile
    auto bad = make_offer("p", "c", -1);
    EXPECT_EQ(s->add({bad}).error().code, error_code::bad_request);
    EXPECT_EQ(s->add({make_offer("q", "c")}).error().code, error_code::bad_request);
  }
  EXPECT_THAT(keys(must(db_->list({})).offers), ElementsAre("p a", "hand h"));
}

TEST_P(Database, SeveralSyncsAtATime) {
  auto a = must(db_->begin_sync("a")), b = must(db_->begin_sync("b"));
  must(a->add({make_offer("a", "x")}));
  must(b->add({make_offer("b", "x")}));
  must(b->finish());
  must(a->finish());
  EXPECT_THAT(keys(must(db_->list({})).offers), ElementsAre("a x", "b x"));
  page_query q;
  q.unique = true;
  EXPECT_EQ(must(db_->list(q)).total, 1u);
}

TEST_P(Database, WhatAHandWroteSurvivesSyncs) {
  sync(*db_, "p", {make_offer("p", "a", 1), make_offer("p", "b", 1), make_offer("p", "c", 1)});
  auto mine = make_offer("p", "a", 9);
  must(db_->put(mine));
  must(db_->put(make_offer("p", "new", 9)));
  EXPECT_THAT(must(db_->take_out("b", "p")), ElementsAre("p"));
  EXPECT_THAT(must(db_->take_out("b", "p")), IsEmpty());
  const auto out = sync(*db_, "p", {make_offer("p", "a", 2), make_offer("p", "b", 2), make_offer("p", "c", 2)});
  EXPECT_EQ(out.changed, 1u);
  EXPECT_EQ(out.kept_edited, 3u);
  mine.edited = true;
  EXPECT_THAT(must(db_->offers_of("a")), ElementsAre(mine));
  EXPECT_THAT(keys(must(db_->list({})).offers), ElementsAre("p a", "p c", "p new"));
  EXPECT_EQ(must(db_->counts()).edited, 2u);
  must(db_->put(make_offer("p", "b", 3)));
  EXPECT_EQ(must(db_->offers_of("b")).size(), 1u);
}

TEST_P(Database, AnEditReadsAndWritesAtOnce) {
  must(db_->put(make_offer("p", "a", 1)));
  // Each changes what the other leaves alone.
  const auto set_name = [](const std::vector<offer>& there) -> result<offer> {
    auto row = there.at(0);
    row.name = "by the second";
    return row;
  };
  std::thread second;
  const auto first = db_->edit("a", [&](const std::vector<offer>& there) -> result<offer> {
    second = std::thread([&] { must(at_->open()->edit("a", set_name)); });
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    auto row = there.at(0);
    row.prompt_price = 7;
    return row;
  });
  second.join();
  EXPECT_EQ(must(first).prompt_price, 7);
  const auto rows = must(db_->offers_of("a"));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].prompt_price, 7);
  EXPECT_EQ(rows[0].name, "by the second");
  EXPECT_TRUE(rows[0].edited);
}

TEST_P(Database, AnEditThatIsRefusedChangesNothing) {
  must(db_->put(make_offer("p", "a", 1)));
  const auto refused = db_->edit("a", [](const std::vector<offer>& there) -> result<offer> {
    EXPECT_EQ(there.size(), 1u);
    return fail(error_code::bad_request, "not so");
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::bad_request);
  EXPECT_EQ(refused.error().message, "not so");
  const auto unfit =
      db_->edit("a", [](const std::vector<offer>&) -> result<offer> { return make_offer("No Name", "a"); });
  EXPECT_EQ(unfit.error().code, error_code::bad_request);
  EXPECT_EQ(must(db_->offers_of("a")).at(0).prompt_price, 1);
  must(db_->put(make_offer("p", "b")));  // nothing is held
}

TEST_P(Database, AnIdIsTakenOutOfAllProviders) {
  for (const auto* p : {"q", "p"}) sync(*db_, p, {make_offer(p, "a"), make_offer(p, "b")});
  EXPECT_THAT(must(db_->take_out("a", "")), ElementsAre("p", "q"));
  EXPECT_THAT(must(db_->offers_of("a")), IsEmpty());
  EXPECT_EQ(must(db_->counts()).models, 1u);
  sync(*db_, "q", {make_offer("q", "a"), make_offer("q", "b")});
  EXPECT_THAT(must(db_->offers_of("a")), IsEmpty());
  EXPECT_THAT(must(db_->take_out("nobody", "")), IsEmpty());
}

TEST_P(Database, ProvidersThatAreConfiguredNoMoreGo) {
  for (const auto* p : {"p", "q", "r"}) sync(*db_, p, {make_offer(p, "a"), make_offer(p, std::string("only-") + p)});
  must(db_->put(make_offer("q", "mine")));
  EXPECT_THAT(must(db_->keep_providers({"r", "never"})), ElementsAre("p", "q"));
  EXPECT_THAT(keys(must(db_->list({})).offers), ElementsAre("r a", "q mine", "r only-r"));
  EXPECT_EQ(must(db_->counts()).models, 3u);
  EXPECT_EQ(must(db_->providers()).size(), 2u);
  EXPECT_THAT(must(db_->keep_providers({"r"})), IsEmpty());
}

TEST_P(Database, WhatASyncCameToIsKept) {
  must(db_->note_sync("p", "no answer\xFF"));
  auto facts = must(db_->providers());
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_FALSE(facts[0].synced_s);
  EXPECT_TRUE(facts[0].attempted_s);
  EXPECT_EQ(facts[0].last_error, "no answer?");
  must(db_->note_sync("p", ""));
  must(db_->note_sync("p", "again"));
  facts = must(db_->providers());
  EXPECT_TRUE(facts[0].synced_s);
  EXPECT_EQ(facts[0].last_error, "again");
  EXPECT_EQ(must(db_->counts()).synced_s, facts[0].synced_s);
  EXPECT_EQ(db_->note_sync("No Name", "").error().code, error_code::bad_request);
}

TEST_P(Database, Counts) {
  auto task = make_offer("p", "t", 0);
  task.task = "text-generation";
  auto half_free = make_offer("p", "h", 0);
  half_free.completion_price = 1;
  half_free.task = "text-generation";
  sync(*db_, "p", {task, half_free, make_offer("p", "n"), make_offer("p", "c", 1)});
  sync(*db_, "q", {make_offer("q", "n")});
  const auto n = must(db_->counts());
  EXPECT_EQ(n.offers, 5u);
  EXPECT_EQ(n.models, 4u);
  EXPECT_EQ(n.providers, 2u);
  EXPECT_EQ(n.priced, 3u);
  EXPECT_EQ(n.free, 1u);
  EXPECT_THAT(n.by_task, ElementsAre(std::pair(std::string(), 3u), std::pair(std::string("text-generation"), 2u)));
}

TEST_P(Database, UniqueRowsShowAllOffersCheapestFirst) {
  auto dear = make_offer("a", "x", 2), cheap = make_offer("b", "x", 1), none = make_offer("c", "x");
  dear.name = "Dear";
  cheap.name = "Cheap";
  sync(*db_, "a", {dear, make_offer("a", "y")});
  sync(*db_, "b", {cheap});
  sync(*db_, "c", {none, make_offer("c", "z")});
  page_query q;
  q.unique = true;
  q.limit = 2;
  auto page = must(db_->list(q));
  EXPECT_EQ(page.total, 3u);
  EXPECT_TRUE(page.has_more);
  ASSERT_EQ(page.models.size(), 2u);
  EXPECT_EQ(page.models[0].name, "Cheap");
  EXPECT_THAT(keys(page.models[0].offers), ElementsAre("b x", "a x", "c x"));
  q.after = page_place{{}, "y", {}};
  page = must(db_->list(q));
  EXPECT_FALSE(page.has_more);
  ASSERT_EQ(page.models.size(), 1u);
  EXPECT_EQ(page.models[0].id, "z");
  q = {};
  q.unique = true;
  q.search = "dear";  // one offer's name; the row shows all
  page = must(db_->list(q));
  EXPECT_EQ(page.total, 1u);
  EXPECT_EQ(page.models.at(0).offers.size(), 3u);
}

TEST_P(Database, SearchesByWords) {
  auto named = make_offer("p", "n/1");
  named.name =
      "GPT-4o \xC3\x84"
      "pfel stra\xC3\x9F"
      "e";
  auto chinese = make_offer("p", "zh/1");
  chinese.name = "\xE9\x80\x9A\xE4\xB9\x89\xE5\x8D\x83\xE9\x97\xAE";
  sync(
      *db_, "p",
      {named, chinese, make_offer("p", "meta/Llama-3.1-8B"), make_offer("p", "gemma-2:free"), make_offer("p", "~odd")});
  EXPECT_THAT(found("llama"), ElementsAre("meta/Llama-3.1-8B"));
  EXPECT_THAT(found("LAMA-3.1"), ElementsAre("meta/Llama-3.1-8B"));
  EXPECT_THAT(found("lama meta"), ElementsAre("meta/Llama-3.1-8B"));
  EXPECT_THAT(found("lama gemma"), IsEmpty());
  EXPECT_THAT(found("gpt 4o"), ElementsAre("n/1"));
  EXPECT_THAT(found("4"), ElementsAre("n/1"));
  EXPECT_THAT(found("lo"), IsEmpty());
  EXPECT_THAT(found("ll"), ElementsAre("meta/Llama-3.1-8B"));
  EXPECT_THAT(found("8b"), ElementsAre("meta/Llama-3.1-8B"));
  EXPECT_THAT(found("g"), ElementsAre("gemma-2:free", "n/1"));
  EXPECT_THAT(found("~"), ElementsAre("~odd"));
  EXPECT_THAT(found(":f"), IsEmpty());
  EXPECT_THAT(found(":fr"), ElementsAre("gemma-2:free"));
  EXPECT_THAT(found("\xC3\xA4pf"), ElementsAre("n/1"));
  EXPECT_THAT(found("STRASSE"), ElementsAre("n/1"));
  EXPECT_THAT(found("\xE5\x8D\x83\xE9\x97\xAE"), ElementsAre("zh/1"));
  EXPECT_THAT(found("\xE4\xB9\x89\xE5\x8D\x83\xE9\x97\xAE"), ElementsAre("zh/1"));
  EXPECT_THAT(found("\xE9\x97\xAE"), ElementsAre("zh/1"));
  EXPECT_EQ(found("  \t ").size(), 5u);
}

TEST_P(Database, ATextThatChangesIsFoundByWhatItIsNow) {
  auto row = make_offer("p", "a");
  row.name = "before";
  sync(*db_, "p", {row});
  row.name = "later";
  sync(*db_, "p", {row});
  EXPECT_THAT(found("before"), IsEmpty());
  EXPECT_THAT(found("later"), ElementsAre("a"));
  sync(*db_, "p", {});
  EXPECT_THAT(found("later"), IsEmpty());
}

TEST_P(Database, NothingIsSyntax) {
  const strings odd{"'; DROP TABLE catalog_offers; --",
                    "\" OR 1=1 --",
                    "100%",
                    "a_b",
                    "acb",
                    "back\\slash",
                    "\\N",
                    "NULL",
                    "NEAR(a b)",
                    "col:val*",
                    "^start",
                    "(a AND b) OR NOT c",
                    "{x}",
                    "$1",
                    "?1",
                    "\xE2\x82\xAC$",
                    "a\"b\"c",
                    "%",
                    "_",
                    "''",
                    "\\",
                    "--",
                    "/*",
                    "\xF0\x9F\x98\x80",
                    "e\xCC\x81",
                    ".",
                    " lead",
                    "trail ",
                    "*",
                    "a+b-c"};
  std::vector<offer> rows;
  for (const auto& id : odd) rows.push_back(make_offer("p", id));
  sync(*db_, "p", rows);
  EXPECT_EQ(must(db_->list({})).total, odd.size());
  for (const auto& text : odd) {
    EXPECT_EQ(must(db_->offers_of(text)).size(), 1u) << text;
    EXPECT_THAT(found(text), testing::Contains(text)) << text;
    page_query q;
    q.task = text;
    EXPECT_EQ(must(db_->list(q)).total, 0u);
    q = {};
    q.provider = text;
    EXPECT_EQ(must(db_->list(q)).total, 0u);
    EXPECT_THAT(must(db_->take_out("no " + text, text)), IsEmpty());
  }
  EXPECT_THAT(found("100%"), ElementsAre("100%"));
  EXPECT_THAT(found("a_b"), ElementsAre("a_b"));
  EXPECT_THAT(found("NEAR(a b)"), ElementsAre("NEAR(a b)"));
  EXPECT_THAT(must(db_->take_out(odd[0], "")), ElementsAre("p"));
  EXPECT_EQ(must(db_->list({})).total, odd.size() - 1);
}

TEST_P(Database, LongIds) {
  const std::string most(catalog_id_bytes_max, 'x'), wide = [] {
    std::string out;
    for (int i = 0; i < 64; ++i) out += "\xF0\x9F\x98\x80";
    return out;
  }();
  sync(*db_, "p", {make_offer("p", most), make_offer("p", wide)});
  EXPECT_THAT(found(most), ElementsAre(most));
  EXPECT_THAT(found(wide), ElementsAre(wide));
  EXPECT_EQ(must(db_->begin_sync("p"))->add({make_offer("p", most + "x")}).error().code, error_code::bad_request);
  EXPECT_THAT(must(db_->offers_of(most + "x")), IsEmpty());
  EXPECT_THAT(must(db_->offers_of(std::string("nul\0", 4))), IsEmpty());
}

TEST_P(Database, QuestionsThatCannotBeAsked) {
  page_query q;
  q.limit = 0;
  EXPECT_EQ(db_->list(q).error().code, error_code::bad_request);
  q.limit = 1001;
  EXPECT_EQ(db_->list(q).error().code, error_code::bad_request);
  q = {};
  q.search = "\xFF";
  EXPECT_EQ(db_->list(q).error().code, error_code::bad_request);
  q.search = std::string(search_bytes_max + 1, 'a');
  EXPECT_EQ(db_->list(q).error().code, error_code::bad_request);
  q = {};
  q.unique = true;
  q.order = offer_order::price;
  EXPECT_EQ(db_->list(q).error().code, error_code::bad_request);
  q = {};
  q.offset = UINT64_MAX;
  EXPECT_THAT(must(db_->list(q)).offers, IsEmpty());
  EXPECT_EQ(db_->begin_sync("no name").error().code, error_code::bad_request);
}

TEST_P(Database, OneSnapshotWhileOthersWrite) {
  std::vector<offer> rows;
  for (int i = 0; i < 5000; ++i) rows.push_back(make_offer("p", "model-" + std::to_string(i)));
  sync(*db_, "p", rows);
  const auto other = at_->open();
  std::size_t seen = 0;
  must(db_->each_offer("", [&](const offer&) {
    if (seen++ == 0) {
      sync(*other, "p", {});
      EXPECT_EQ(must(other->list({})).total, 0u);
    }
    return true;
  }));
  EXPECT_EQ(seen, 5000u);
  EXPECT_EQ(must(db_->list({})).total, 0u);
  sync(*other, "p", rows);
  seen = 0;
  must(db_->each_offer("p", [&](const offer&) { return ++seen < 4321; }));
  EXPECT_EQ(seen, 4321u);
  must(db_->each_offer("q", [&](const offer&) { return ++seen > 0; }));
  EXPECT_EQ(seen, 4321u);
}

TEST_P(Database, WritersTakeTurns) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const auto mine = at_->open();
      const auto provider = "p" + std::to_string(t);
      for (int round = 0; round < 5; ++round) {
        sync(*mine, provider, {make_offer(provider, "shared"), make_offer(provider, "r" + std::to_string(round))});
        must(mine->put(make_offer(provider, "hand" + std::to_string(round))));
        must(mine->take_out("hand" + std::to_string(round), provider));
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(must(db_->list({})).total, 8u);
  EXPECT_EQ(must(db_->counts()).models, 2u);
}

TEST_P(Database, MigratesTwiceAndAtTheSameTime) {
  sync(*db_, "p", {make_offer("p", "a")});
  must(migrate(at_->options()));
  EXPECT_EQ(must(db_->list({})).total, 1u);
  const place fresh(GetParam(), true);
  const auto early = must(make_database(fresh.options()));
  EXPECT_EQ(early->list({}).error().code, error_code::unavailable);
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) threads.emplace_back([&] { must(migrate(fresh.options())); });
  for (auto& t : threads) t.join();
  EXPECT_EQ(fresh.ask("SELECT count(*) FROM catalog_schema"), std::to_string(schema_version));
  EXPECT_EQ(must(early->list({})).total, 0u);
}

TEST_P(Database, ANewerSchemaIsRefused) {
  at_->ask("INSERT INTO catalog_schema VALUES (99)");
  const auto refused = migrate(at_->options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::unavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("99"));
  const auto list = at_->open()->list({});
  ASSERT_FALSE(list);
  EXPECT_THAT(list.error().message, HasSubstr("99"));
  EXPECT_THAT(list.error().message, HasSubstr(at_->options().file.string()));  // PostgreSQL has none
}

TEST_P(Database, SaysWhatItIs) { EXPECT_EQ(db_->kind(), GetParam() == backend::sqlite ? "sqlite" : "postgresql"); }

INSTANTIATE_TEST_SUITE_P(On, Database, testing::ValuesIn(all_backends),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace troupe::cache::tests
