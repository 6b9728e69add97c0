#include <gtest/gtest.h>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

struct routes_catalog : ::testing::Test, bench {
  const std::map<std::string, std::string> admin{{"Authorization", "Bearer secret"}};
  fake_catalog& catalog = service.listed;
  void SetUp() override { settings.admin_api_key = "secret"; }
  cache::page_query query_of(const std::string& target) {
    const auto e = ask("GET", target);
    EXPECT_EQ(e->answer->status, 200u) << target << ": " << e->answer->body;
    return catalog.asked.empty() ? cache::page_query{} : catalog.asked.back().page;
  }
};

const char* const whole_page =
    R"({"data":[],"total":0,"returned":0,"limit":100,"offset":0,"has_more":false,"next_offset":null,"next_cursor":null})";

struct routes_catalog_pages : routes_catalog {
  void SetUp() override {
    routes_catalog::SetUp();
    catalog.answer_now.json = std::make_shared<const cache::cached_value>(whole_page);
  }
};

TEST_F(routes_catalog_pages, a_listing_says_what_it_wants) {
  auto q = query_of("/catalog/models");
  EXPECT_EQ(q, cache::page_query{});
  q = query_of(
      "/catalog/models?gateway=openrouter&search=llama%203&limit=20&offset=40&sort=price&task=text-generation"
      "&min_price=0&max_price=0.00001&min_context_length=8192&max_context_length=200000");
  EXPECT_EQ(q.provider, "openrouter");
  EXPECT_EQ(q.search, "llama 3");
  EXPECT_EQ(q.limit, 20u);
  EXPECT_EQ(q.offset, 40u);
  EXPECT_EQ(q.order, cache::offer_order::price);
  EXPECT_EQ(q.task, "text-generation");
  EXPECT_EQ(q.prompt_price_min, 0.0);
  EXPECT_EQ(q.prompt_price_max, 0.00001);
  EXPECT_EQ(q.context_length_min, 8192);
  EXPECT_EQ(q.context_length_max, 200000);
  EXPECT_EQ(query_of("/catalog/models?search=&limit=&gateway="), cache::page_query{});
}

TEST_F(routes_catalog_pages, cursors_go_round) {
  cache::page_query q;
  q.provider = "openrouter";
  q.limit = 20;
  const cache::page_place place{{}, "a/b:free", "openrouter"};
  const auto cursor = cache::write_cursor(q, place);
  EXPECT_EQ(query_of("/catalog/models?gateway=openrouter&limit=20&cursor=" + cursor).after, place);
  for (const auto& bad : {"/catalog/models?gateway=other&cursor=" + cursor, "/catalog/models?cursor=x" + cursor,
                          "/catalog/models?gateway=openrouter&cursor=" + cursor.substr(1),
                          "/catalog/models?gateway=openrouter&offset=0&cursor=" + cursor})
    expect_error(*ask("GET", bad), 400, "BAD_REQUEST");
}

TEST_F(routes_catalog_pages, what_cannot_be_is_refused_by_name) {
  for (const auto* bad : {"limit=0",         "limit=1001",
                          "limit=-1",        "limit=ten",
                          "limit=1e2",       "limit=99999999999999999999",
                          "offset=-1",       "offset=x",
                          "min_price=-1",    "max_price=nan",
                          "max_price=1e400", "max_price=inf",
                          "max_price=$1",    "min_context_length=1.5",
                          "sort=name",       "gatway=x",
                          "limit=1&limit=2", "cursor=%00",
                          "search=%ff",      "unknown="}) {
    const auto e = ask("GET", std::string("/catalog/models?") + bad);
    EXPECT_EQ(e->answer->status, 400u) << bad;
  }
  EXPECT_EQ(ask("GET", "/catalog/unique?sort=price")->answer->status, 400u);
  EXPECT_EQ(ask("GET", "/catalog/providers/x?gateway=y")->answer->status, 400u);
}

TEST_F(routes_catalog_pages, bytes_go_out_as_they_are_with_their_tag) {
  const auto e = ask("GET", "/catalog/models");
  EXPECT_EQ(e->answer->body, whole_page);
  EXPECT_EQ(e->header_of_answer("ETag"), catalog.answer_now.json->etag);
  EXPECT_EQ(e->header_of_answer("X-Cache"), "HIT");
  EXPECT_EQ(e->header_of_answer("X-Cache-Tier"), "redis");
  EXPECT_EQ(e->header_of_answer("Cache-Control"), "no-cache");
  const auto again = ask("GET", "/catalog/models", {}, {{"If-None-Match", catalog.answer_now.json->etag}});
  EXPECT_EQ(again->answer->status, 304u);
  EXPECT_EQ(again->answer->body, "");
  EXPECT_EQ(again->header_of_answer("ETag"), catalog.answer_now.json->etag);
  catalog.answer_now.stale = true;
  EXPECT_EQ(ask("GET", "/catalog/models")->header_of_answer("X-Cache"), "STALE");
  catalog.answer_now.stale = false;
  catalog.answer_now.from = actors::answered_from::database;
  EXPECT_EQ(ask("GET", "/catalog/models")->header_of_answer("X-Cache"), "MISS");
}

TEST_F(routes_catalog_pages, encoded_where_asked_and_worth_it) {
  EXPECT_EQ(ask("GET", "/catalog/models", {}, {{"Accept-Encoding", "gzip"}})->header_of_answer("Content-Encoding"), "")
      << "too small to gain";
  std::string large = R"({"data":[)";
  for (int i = 0; i < 200; ++i)
    large += (i ? "," : "") +
             std::string(R"({"id":"a","name":"a","provider":"p","task":null,"description":null,"context_length":1,)"
                         R"("pricing":{"prompt":null,"completion":0.5},"created_at":null,"edited":false})");
  large += R"(],"total":0,"returned":0,"limit":100,"offset":0,"has_more":false,"next_offset":null,"next_cursor":null})";
  catalog.answer_now.json = std::make_shared<const cache::cached_value>(large);
  // Sent, not asked: the fake's document reads JSON.
  for (const auto* how : {"gzip", "zstd"}) {
    const auto e = send("GET", "/catalog/models", {}, {{"Accept-Encoding", how}});
    e->pump();
    EXPECT_EQ(e->header_of_answer("Content-Encoding"), how);
    EXPECT_EQ(e->header_of_answer("Vary"), "Accept-Encoding");
    EXPECT_LT(e->answer->body.size(), large.size() / 4);
    const auto tag = e->header_of_answer("ETag");
    EXPECT_NE(tag, catalog.answer_now.json->etag);
    const auto again = send("GET", "/catalog/models", {}, {{"Accept-Encoding", how}, {"If-None-Match", tag}});
    again->pump();
    EXPECT_EQ(again->answer->status, 304u);
  }
}

TEST_F(routes_catalog, ids_have_every_character) {
  catalog.problem = error{error_code::model_not_found, "Model not found in the catalog: x", {}, {}};
  const std::pair<const char*, const char*> cases[] = {
      {"/catalog/models/deepseek-r1:free", "deepseek-r1:free"},
      {"/catalog/models/org/name", "org/name"},
      {"/catalog/models/org%2Fname", "org/name"},
      {"/catalog/pricing/a%20b%3F%26%25", "a b?&%"},
      {"/catalog/models/..%2F..%2Fetc", "../../etc"},
      {"/catalog/models/%E6%A8%A1%E5%9E%8B", "\xe6\xa8\xa1\xe5\x9e\x8b"},
  };
  for (const auto& [target, id] : cases) {
    const auto e = ask("GET", target);
    expect_error(*e, 404, "MODEL_NOT_FOUND");
    EXPECT_EQ(catalog.asked.back().id, id);
  }
  EXPECT_EQ(ask("GET", "/catalog/models/" + std::string(257, 'a'))->answer->status, 400u);
  EXPECT_EQ(ask("GET", "/catalog/models/a%0Ab")->answer->status, 400u);
}

TEST_F(routes_catalog, administration_needs_the_key) {
  for (const auto& [method, target] :
       std::vector<std::pair<std::string, std::string>>{{"POST", "/api/system/cache/warm"},
                                                        {"POST", "/api/system/cache/clear"},
                                                        {"GET", "/api/system/cache/stats"},
                                                        {"POST", "/api/system/sync"},
                                                        {"PUT", "/api/system/models/x"},
                                                        {"DELETE", "/api/system/models/x"}}) {
    expect_error(*ask(method, target, method == "PUT" ? "{}" : ""), 401, "UNAUTHORIZED");
    expect_error(*ask(method, target, method == "PUT" ? "{}" : "", {{"Authorization", "Bearer wrong"}}), 403,
                 "FORBIDDEN");
  }
  EXPECT_EQ(catalog.called, "");
}

TEST_F(routes_catalog, administration) {
  EXPECT_EQ(ask("POST", "/api/system/cache/clear?gateway=openrouter", {}, admin)->answer->status, 200u);
  EXPECT_EQ(catalog.called, "clear openrouter");
  EXPECT_EQ(ask("POST", "/api/system/cache/clear", {}, admin)->answer->status, 200u);
  EXPECT_EQ(catalog.called, "clear ");
  EXPECT_EQ(ask("POST", "/api/system/cache/clear?gatway=x", {}, admin)->answer->status, 400u);
  EXPECT_EQ(ask("POST", "/api/system/cache/clear?gateway=a%20b", {}, admin)->answer->status, 400u);

  catalog.warmed.entries = {{"Full model catalog", {}, false},
                            {"Unique models", error{error_code::unavailable, "down", {}, {}}, false},
                            {"Gateway catalog for nobody", {}, true}};
  auto d = parse(ask("POST", "/api/system/cache/warm", {}, admin)->answer->body);
  EXPECT_EQ(d["warmed"].GetInt(), 1);
  EXPECT_EQ(d["unknown"].GetInt(), 1);
  EXPECT_STREQ(d["status"].GetString(), "partial");
  EXPECT_STREQ(d["entries"][2]["status"].GetString(), "unknown");
  EXPECT_FALSE(d["entries"][2]["success"].GetBool());

  catalog.synced.providers.resize(2);
  catalog.synced.providers[0].provider = "openrouter";
  catalog.synced.providers[0].read = 5;
  catalog.synced.providers[1].why = error{error_code::unavailable, "not reached", {}, {}};
  d = parse(ask("POST", "/api/system/sync?provider=openrouter", {}, admin)->answer->body);
  EXPECT_EQ(catalog.called, "sync openrouter");
  EXPECT_FALSE(d["success"].GetBool());
  EXPECT_EQ(d["providers"][0]["models"].GetInt(), 5);
  EXPECT_STREQ(d["providers"][1]["error"].GetString(), "not reached");
}

TEST_F(routes_catalog, statistics_add_up) {
  catalog.now.counts.hits = {9, 0, 0, 0, 0, 0};
  catalog.now.counts.misses = {0, 1, 0, 0, 0, 0};
  catalog.now.counts.local_entries_max = 500;
  catalog.now.redis = cache::redis_health::up;
  catalog.now.listener = cache::redis_health::down;
  catalog.now.listener_error = "NOPERM";
  const auto d = parse(ask("GET", "/api/system/cache/stats", {}, admin)->answer->body);
  EXPECT_EQ(d["hits"].GetInt(), 9);
  EXPECT_EQ(d["misses"].GetInt(), 1);
  EXPECT_EQ(d["total_requests"].GetInt(), 10);
  EXPECT_DOUBLE_EQ(d["hit_rate_percent"].GetDouble(), 90);
  EXPECT_TRUE(d["redis_available"].GetBool());
  EXPECT_STREQ(d["redis"]["listener"].GetString(), "down");
  EXPECT_STREQ(d["redis"]["listener_error"].GetString(), "NOPERM");
  EXPECT_STREQ(parse(ask("GET", "/health")->answer->body)["catalog"]["listener"].GetString(), "down");
  EXPECT_EQ(d["local"]["max_entries"].GetInt(), 500);
}

TEST_F(routes_catalog, an_edit_says_what_changes) {
  auto e = ask(
      "PUT", "/api/system/models/a/b",
      R"({"name":"A B","pricing":{"prompt":"0.000002","completion":null},"context_length":4096,"gateway":"openrouter"})",
      admin);
  EXPECT_EQ(e->answer->status, 200u) << e->answer->body;
  const auto& edit = catalog.edits.back();
  EXPECT_EQ(edit.id, "a/b");
  EXPECT_EQ(edit.name, "A B");
  EXPECT_EQ(edit.provider, "openrouter");
  EXPECT_EQ(edit.prompt_price, std::optional<double>(0.000002));
  ASSERT_TRUE(edit.completion_price.has_value());
  EXPECT_FALSE(edit.completion_price->has_value());
  EXPECT_FALSE(edit.description.has_value());
  for (const auto* bad : {"", "[]", "{", R"({"pricing":5})", R"({"pricing":{"prompt":-1}})",
                          R"({"prompt_price":"free"})", R"({"context_length":-5})", R"({"context_length":1.5})",
                          R"({"name":5})", R"({"nmae":"x"})", R"({"id":"other"})"})
    EXPECT_EQ(ask("PUT", "/api/system/models/a/b", bad, admin)->answer->status, 400u) << bad;
  EXPECT_EQ(ask("DELETE", "/api/system/models/a/b?gateway=openrouter", {}, admin)->answer->status, 200u);
  EXPECT_EQ(catalog.called, "take_out a/b openrouter");
}

TEST_F(routes_catalog, nothing_to_answer_with) {
  catalog.problem = error{error_code::unavailable, "the catalog's database: gone", {}, 1};
  for (const auto* target : {"/catalog/models", "/catalog/unique", "/catalog/stats", "/catalog/providers"})
    expect_error(*ask("GET", target), 503, "UNAVAILABLE");
}

}  // namespace
}  // namespace troupe::http::tests
