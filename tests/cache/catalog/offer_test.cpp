#include "cache/catalog/offer.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace troupe::cache {
namespace {

offer row(std::string provider, std::optional<double> price, std::string name = "n") {
  offer out;
  out.provider = std::move(provider);
  out.id = "x";
  out.name = std::move(name);
  out.prompt_price = price;
  return out;
}

TEST(Offer, IdsAreAnyTextWithoutControlCharacters) {
  for (const char* id : {"a", "deepseek-r1:free", "org/model", "with space", "\xE9\x80\x9A", "'\"\\%_", "..", "/"})
    EXPECT_TRUE(check_catalog_id(id)) << id;
  EXPECT_TRUE(check_catalog_id(std::string(256, 'x')));
  for (const std::string id : {"", "a\nb", "\x7F", "\xC2\x85", "\xFF", "\xED\xA0\x80"}) {
    const auto refused = check_catalog_id(id);
    ASSERT_FALSE(refused) << id;
    EXPECT_EQ(refused.error().code, error_code::bad_request);
  }
  EXPECT_FALSE(check_catalog_id(std::string("a\0b", 3)));
  EXPECT_FALSE(check_catalog_id(std::string(257, 'x')));
}

TEST(Offer, WhatADatabaseCanHold) {
  EXPECT_TRUE(check_offer(row("p", 0)));
  EXPECT_FALSE(check_offer(row("No", 0)));
  EXPECT_FALSE(check_offer(row("p", -1)));
  EXPECT_FALSE(check_offer(row("p", std::numeric_limits<double>::infinity())));
  EXPECT_FALSE(check_offer(row("p", std::numeric_limits<double>::quiet_NaN())));
  EXPECT_FALSE(check_offer(row("p", 0, "\xFF")));
  EXPECT_FALSE(check_offer(row("p", 0, std::string(1, '\0'))));
  auto o = row("p", 0);
  o.context_length = context_length_max + 1;
  EXPECT_FALSE(check_offer(o));
  o.context_length = -1;
  EXPECT_FALSE(check_offer(o));
  o.context_length = 0;
  EXPECT_TRUE(check_offer(o));
  o.task = std::string(task_bytes_max + 1, 't');
  EXPECT_FALSE(check_offer(o));
}

TEST(Offer, TextsAreCutBetweenCharacters) {
  EXPECT_EQ(cut_text("abc", 3), "abc");
  EXPECT_EQ(cut_text("abcd", 3), "abc");
  EXPECT_EQ(cut_text("ab\xE2\x82\xAC", 4), "ab");
  EXPECT_EQ(cut_text("ab\xE2\x82\xAC", 5), "ab\xE2\x82\xAC");
}

TEST(Offer, CheapestFirstUnpricedLast) {
  const auto m = merge_offers({row("z", std::nullopt), row("b", 1), row("a", 1, "cheap"), row("c", 0.5, "cheapest"),
                               row("y", std::nullopt), row("d", 2)});
  EXPECT_EQ(m.id, "x");
  EXPECT_EQ(m.name, "cheapest");
  std::string order;
  for (const auto& o : m.offers) order += o.provider;
  EXPECT_EQ(order, "cabdyz");
}

}  // namespace
}  // namespace troupe::cache
