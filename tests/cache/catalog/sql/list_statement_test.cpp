#include "cache/catalog/sql/list_statement.hpp"

#include <gmock/gmock.h>

namespace troupe::cache {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr auto lite = sql_dialect::sqlite, postgres = sql_dialect::postgresql;

page_query searching(std::string words) {
  page_query q;
  q.search = std::move(words);
  return q;
}

TEST(ListStatement, NothingOfTheQuestionIsInTheText) {
  page_query q = searching("secret%word");
  q.provider = "secret-provider";
  q.task = "secret-task";
  q.after = page_place{{}, "secret-id", "secret-provider"};
  for (const auto dialect : {lite, postgres})
    for (const auto plan : {page_plan::few, page_plan::many})
      EXPECT_THAT(page_statement(q, dialect, plan).text, Not(HasSubstr("secret")));
}

TEST(ListStatement, WordsAreQuotedForWhoReadsThem) {
  const auto match = count_statement(searching("say\"so abc"), lite);
  EXPECT_EQ(match.text, "SELECT count(*) FROM catalog_search WHERE catalog_search MATCH $1");
  EXPECT_EQ(std::get<std::string>(match.values.at(0)), "\"abc\" \"say\"\"so\" ");
  const auto like = count_statement(searching("1_0%\\"), postgres);
  EXPECT_THAT(like.text, HasSubstr("o.folded LIKE $1"));
  EXPECT_EQ(std::get<std::string>(like.values.at(0)), "%1\\_0\\%\\\\%");
  const auto plain = count_statement(searching("%_%"), postgres);
  EXPECT_THAT(plain.text, HasSubstr("strpos(o.folded, $1) > 0"));
  EXPECT_EQ(std::get<std::string>(plain.values.at(0)), "%_%");
}

TEST(ListStatement, ValuesStandInTheOrderOfTheirNumbers) {
  page_query q = searching("abc");
  q.task = "t";
  q.order = offer_order::price;
  q.after = page_place{std::nullopt, "x", "p"};
  q.limit = 7;
  const auto s = page_statement(q, postgres, page_plan::many);
  EXPECT_THAT(s.text,
              HasSubstr("o.folded LIKE $1 AND o.task = $2 AND (o.price_order, o.id, o.provider) > ($3, $4, $5)"));
  EXPECT_THAT(s.text, HasSubstr("LIMIT $6"));
  ASSERT_EQ(s.values.size(), 6u);
  EXPECT_EQ(std::get<double>(s.values[2]), std::numeric_limits<double>::infinity());
  EXPECT_EQ(std::get<std::int64_t>(s.values[5]), 8);
}

TEST(ListStatement, LengthsFallSoTheirOrderRises) {
  page_query q;
  q.context_length_min = 1000;
  q.context_length_max = INT64_MAX;
  const auto s = count_statement(q, postgres);
  EXPECT_THAT(s.text, HasSubstr("o.length_order >= $1 AND o.length_order <= $2"));
  EXPECT_EQ(std::get<std::int64_t>(s.values[0]), -INT64_MAX);
  EXPECT_EQ(std::get<std::int64_t>(s.values[1]), -1000);
  q.context_length_min = INT64_MIN;
  q.context_length_max = INT64_MIN;
  EXPECT_EQ(std::get<std::int64_t>(count_statement(q, postgres).values[1]), 0);
}

TEST(ListStatement, FewRowsAreSortedManyAreReadInOrder) {
  EXPECT_EQ(plan_for({}, 10), page_plan::many);
  EXPECT_EQ(plan_for(searching("abc"), 10), page_plan::few);
  EXPECT_EQ(plan_for(searching("abc"), 400'000), page_plan::many);
  page_query q;
  q.provider = "p";
  EXPECT_EQ(plan_for(q, 10), page_plan::many);
  q.order = offer_order::price;
  EXPECT_EQ(plan_for(q, 10), page_plan::few);
  q = {};
  q.prompt_price_max = 1;
  EXPECT_EQ(plan_for(q, 10), page_plan::few);
  q.order = offer_order::price;
  EXPECT_EQ(plan_for(q, 10), page_plan::many);
}

}  // namespace
}  // namespace troupe::cache
