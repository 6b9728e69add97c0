#include "cache/catalog/page_query.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace troupe::cache {
namespace {

page_query by_price() {
  page_query q;
  q.search = "llama";
  q.order = offer_order::price;
  return q;
}

TEST(PageQuery, TheSameQuestionIsSpelledTheSame) {
  auto a = by_price(), b = by_price();
  a.search = "Meta  LLAMA";
  b.search = " llama meta llama ";
  EXPECT_EQ(canonical_text(a), canonical_text(b));
  a.after = b.after = page_place{1, "x", "p"};
  b.offset = 7;  // ignored
  EXPECT_EQ(canonical_text(a), canonical_text(b));
}

TEST(PageQuery, NoTwoQuestionsAreSpelledTheSame) {
  std::vector<page_query> all(1);
  const auto with = [&](auto change) { change(all.emplace_back()); };
  with([](auto& q) { q.provider = "a"; });
  with([](auto& q) { q.task = "a"; });
  with([](auto& q) { q.task = "a&word=1:b"; });
  with([](auto& q) { q.task = "a", q.search = "b"; });
  with([](auto& q) { q.search = "a"; });
  with([](auto& q) { q.search = "a b"; });
  with([](auto& q) { q.search = "ab"; });
  with([](auto& q) { q.prompt_price_min = 0; });
  with([](auto& q) { q.prompt_price_max = 0; });
  with([](auto& q) { q.context_length_min = 0; });
  with([](auto& q) { q.context_length_max = 0; });
  with([](auto& q) { q.order = offer_order::price; });
  with([](auto& q) { q.order = offer_order::context_length; });
  with([](auto& q) { q.unique = true; });
  with([](auto& q) { q.limit = 1; });
  with([](auto& q) { q.offset = 1; });
  with([](auto& q) { q.after = page_place{{}, "a", "b"}; });
  with([](auto& q) { q.after = page_place{1, "a", "b"}; });
  with([](auto& q) { q.after = page_place{{}, "ab", ""}; });
  std::set<std::string> texts;
  for (const auto& q : all) texts.insert(canonical_text(q));
  EXPECT_EQ(texts.size(), all.size());
}

TEST(PageQuery, ACursorComesBackAsItsPlace) {
  page_query unique, by_id;
  unique.unique = true;
  for (const auto& place :
       {page_place{1e-7, "x", "p"}, page_place{{}, "\xE9\x80\x9A:'\"", "p-q"}, page_place{0, "a", "0"}}) {
    const auto cursor = write_cursor(by_price(), place);
    EXPECT_EQ(cursor.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
              cursor.npos);
    const auto read = read_cursor(by_price(), cursor);
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, place);
  }
  const page_place no_provider{{}, std::string(256, 'x'), ""};
  EXPECT_EQ(*read_cursor(unique, write_cursor(unique, no_provider)), no_provider);
  EXPECT_FALSE(read_cursor(by_id, write_cursor(by_id, no_provider)));
  EXPECT_FALSE(read_cursor(by_id, write_cursor(by_id, {1, "x", "p"})));
  EXPECT_FALSE(read_cursor(by_price(), write_cursor(by_price(), {std::numeric_limits<double>::infinity(), "x", "p"})));
}

TEST(PageQuery, ACursorIsOfItsQuestion) {
  const auto cursor = write_cursor(by_price(), {1, "x", "p"});
  auto other = by_price();
  other.limit = 3;
  other.offset = 9;
  EXPECT_TRUE(read_cursor(other, cursor));
  other.task = "text-generation";
  EXPECT_EQ(read_cursor(other, cursor).error().code, error_code::bad_request);
  other = by_price();
  other.order = offer_order::context_length;
  EXPECT_FALSE(read_cursor(other, cursor));
}

TEST(PageQuery, AnAlteredCursorIsRefused) {
  const auto cursor = write_cursor(by_price(), {1, "some/model", "provider"});
  for (std::size_t n = 0; n < cursor.size(); ++n) EXPECT_FALSE(read_cursor(by_price(), cursor.substr(0, n)));
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ ";
  for (std::size_t i = 0; i < cursor.size(); ++i)
    for (const char c : digits) {
      auto altered = cursor;
      altered[i] = c;
      EXPECT_EQ(read_cursor(by_price(), altered).has_value(), altered == cursor) << altered;
    }
  for (const char c : digits) EXPECT_FALSE(read_cursor(by_price(), cursor + c));
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string noise(random() % 80, ' ');
    for (auto& c : noise) c = digits[random() % digits.size()];
    EXPECT_FALSE(read_cursor(by_price(), noise));
  }
  EXPECT_FALSE(read_cursor(by_price(), std::string(100'000, 'A')));
}

}  // namespace
}  // namespace troupe::cache
