#include "cache/catalog/keys.hpp"

#include <gtest/gtest.h>

#include <set>

namespace troupe::cache {
namespace {

using names = std::vector<std::string>;

TEST(keys, are_the_documents) {
  EXPECT_EQ((cache_key{cache_kind::full, {}, {}}.names("g")), names{"models:catalog:full"});
  EXPECT_EQ((cache_key{cache_kind::provider, "openrouter", {}}.names("g")),
            (names{"models:provider:openrouter", "models:gateway:openrouter"}));
  EXPECT_EQ((cache_key{cache_kind::unique, {}, {}}.names("g")), names{"models:unique"});
  EXPECT_EQ((cache_key{cache_kind::stats, {}, {}}.names("g")), names{"models:stats"});
  EXPECT_EQ((cache_key{cache_kind::model, "deepseek-r1:free", {}}.names("g")), names{"models:model:deepseek-r1:free"});
  EXPECT_EQ((cache_key{cache_kind::pricing, "a/b c", {}}.names("g")), names{"models:pricing:a/b c"});
}

TEST(keys, times_are_the_documents) {
  const cache_times t;
  EXPECT_EQ(t.ttl_s(cache_kind::full), 900u);
  EXPECT_EQ(t.ttl_s(cache_kind::provider), 1800u);
  EXPECT_EQ(t.ttl_s(cache_kind::unique), 1800u);
  EXPECT_EQ(t.ttl_s(cache_kind::stats), 900u);
  EXPECT_EQ(t.ttl_s(cache_kind::model), 3600u);
  EXPECT_EQ(t.ttl_s(cache_kind::pricing), 3600u);
  cache_times short_ones;
  short_ones.full_s = short_ones.stats_s = 7;
  EXPECT_EQ(short_ones.ttl_s(cache_kind::full), 7u);
  EXPECT_EQ(short_ones.ttl_s(cache_kind::provider), 1800u);
}

TEST(keys, of_pages_carry_the_generation) {
  const cache_key page{cache_kind::provider, "openrouter", "limit=20"},
      other{cache_kind::provider, "openrouter", "limit=21"};
  ASSERT_EQ(page.names("abc").size(), 1u);
  EXPECT_TRUE(page.names("abc").front().starts_with("models:page:provider:openrouter:abc:"));
  EXPECT_NE(page.names("abc"), page.names("abd"));
  EXPECT_NE(page.names("abc"), other.names("abc"));
  EXPECT_NE(page.local_name(), other.local_name());
  EXPECT_NE(page.local_name(), (cache_key{cache_kind::provider, "openrouter", {}}.local_name()));
}

TEST(keys, scopes) {
  EXPECT_EQ((cache_key{cache_kind::provider, "p", "x"}.scope()), "provider:p");
  EXPECT_EQ((cache_key{cache_kind::full, {}, "x"}.scope()), "full");
  EXPECT_EQ((cache_key{cache_kind::model, "m", {}}.scope()), (cache_key{cache_kind::pricing, "m", {}}.scope()));
  std::set<std::string> groups;
  for (int i = 0; i < 10000; ++i) groups.insert(model_scope("vendor/model-" + std::to_string(i)));
  const auto all = model_scopes();
  EXPECT_EQ(all.size(), 256u);
  EXPECT_EQ(groups, std::set<std::string>(all.begin(), all.end()));
}

TEST(keys, a_part_of_the_full_catalog_is_outdated_by_itself) {
  const cache_key whole{cache_kind::full, {}, "x"}, part{cache_kind::full, std::string(all_providers), "x"};
  EXPECT_NE(part.scope(), whole.scope());
  EXPECT_NE(part.local_name(), whole.local_name());
  EXPECT_NE(part.names("g"), whole.names("g"));
  EXPECT_EQ((cache_key{part.kind, part.of, {}}.names("g")), names{}) << "the document has no key of it";
  EXPECT_EQ(names_of_scope(part.scope()), names{});
}

TEST(keys, generations_never_repeat) {
  std::set<std::string> words;
  for (int i = 0; i < 1000; ++i) words.insert(random_generation());
  EXPECT_EQ(words.size(), 1000u);
}

TEST(keys, words_of_the_log) {
  EXPECT_EQ(words_for(cache_kind::full, ""), "Full model catalog");
  EXPECT_EQ(words_for(cache_kind::unique, ""), "Unique models");
  EXPECT_EQ(words_for(cache_kind::provider, "openrouter"), "Gateway catalog for openrouter");
}

}  // namespace
}  // namespace troupe::cache
