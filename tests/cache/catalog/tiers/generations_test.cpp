#include "cache/catalog/tiers/generations.hpp"

#include <gtest/gtest.h>

#include "cache/catalog/tiers/breaker.hpp"

namespace troupe::cache {
namespace {

TEST(generations, another_word_is_another_epoch) {
  generations g;
  EXPECT_EQ(g.of("full"), generations::known{});
  EXPECT_TRUE(g.learn("full", "a"));
  const auto first = g.of("full");
  EXPECT_EQ(first.word, "a");
  EXPECT_FALSE(g.learn("full", "a"));
  EXPECT_EQ(g.of("full"), first);
  EXPECT_TRUE(g.learn("full", "b"));
  EXPECT_GT(g.of("full").epoch, first.epoch);
}

TEST(generations, what_redis_lost_is_no_invalidation) {
  generations g;
  g.learn("full", "a");
  const auto before = g.of("full");
  g.renew("full", "", before.epoch);
  EXPECT_EQ(g.of("full").epoch, before.epoch);
  EXPECT_EQ(g.of("full").word, "");
  g.rotate("full");
  const auto now = g.of("full");
  g.renew("full", "late", before.epoch);
  EXPECT_EQ(g.of("full"), now) << "it was invalidated meanwhile";
}

TEST(generations, old_news_undo_nothing) {
  generations g;
  g.learn("full", "a");
  const auto seen = g.of("full");
  const auto word = g.rotate("full");
  EXPECT_EQ(g.learn("full", "a", seen).word, word) << "asked before, answered after";
  EXPECT_EQ(g.learn("full", "b", seen).word, word);
  const auto now = g.of("full");
  EXPECT_EQ(g.learn("full", word, now), now);
  EXPECT_EQ(g.learn("full", "c", now).word, "c");
  EXPECT_GT(g.of("full").epoch, now.epoch);
}

TEST(generations, rotating_is_one) {
  generations g;
  const auto word = g.rotate("provider:x");
  EXPECT_EQ(g.of("provider:x").word, word);
  EXPECT_EQ(g.of("provider:x").epoch, 1u);
  EXPECT_NE(g.rotate("provider:x"), word);
  EXPECT_EQ(g.all().size(), 1u);
}

TEST(breaker, opens_after_failures_in_a_row) {
  using namespace std::chrono_literals;
  breaker b({.failures_max = 3, .first_pause = 500ms, .longest_pause = 1500ms});
  EXPECT_FALSE(b.failed());
  EXPECT_FALSE(b.failed());
  b.succeeded();
  EXPECT_FALSE(b.failed());
  EXPECT_FALSE(b.failed());
  EXPECT_TRUE(b.failed());
  EXPECT_TRUE(b.open());
  EXPECT_FALSE(b.failed()) << "it is open already";
  b.succeeded();
  EXPECT_TRUE(b.open()) << "a late answer closes nothing";
  EXPECT_EQ(b.pause(), 500ms);
  EXPECT_EQ(b.pause(), 1000ms);
  EXPECT_EQ(b.pause(), 1500ms);
  EXPECT_EQ(b.pause(), 1500ms);
  b.close();
  EXPECT_FALSE(b.open());
  EXPECT_EQ(b.pause(), 1500ms) << "it has shown nothing yet";
  for (int i = 0; i < 100; ++i) b.succeeded();
  EXPECT_EQ(b.pause(), 500ms);
}

}  // namespace
}  // namespace troupe::cache
