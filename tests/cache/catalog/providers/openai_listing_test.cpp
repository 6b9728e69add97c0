#include "tests/cache/catalog/providers/support.hpp"

namespace troupe::cache {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr auto usual = "GET https://h/v1/models";
const std::string one_row = R"({"data":[{"id":"a"}]})";

std::string rows(std::size_t from, std::size_t to) {
  std::string out;
  for (auto i = from; i < to; ++i)
    out += (i == from ? "" : ",") + std::string(R"({"id":"m)") + std::to_string(i) + "\"}";
  return out;
}

TEST(OpenaiListing, WhereTheModelsAre) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://h", "https://h/v1/models"},
      {"https://h/", "https://h/v1/models"},
      {"https://h/v1", "https://h/v1/models"},
      {"https://h/v1/", "https://h/v1/models"},
      {"https://h/api/v1", "https://h/api/v1/models"},
      {"http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/models"},
      {"https://h/inference", "https://h/inference/models"},
      {"https://api.anthropic.com", "https://api.anthropic.com/v1/models?limit=1000"},
  };
  for (const auto& [base, url] : cases) {
    reading p(reading::openai(base));
    p.net.answers(std::string("GET ") + url, 200, one_row);
    EXPECT_TRUE(p.read()) << base;
    EXPECT_THAT(p.asked(), ElementsAre(std::string("GET ") + url));
  }
  for (const char* base : {"", "ftp://h", "https://u:secret@h", "https://h?x=1", "h"}) {
    reading p(reading::openai(base));
    const auto got = p.read();
    EXPECT_FAILS(got, error_code::bad_request, "base_url of 'p'");
    EXPECT_THAT(got.error().message, Not(HasSubstr("secret")));
  }
}

TEST(OpenaiListing, TheKey) {
  reading without(reading::openai("https://h"));
  without.net.answers(usual, 200, one_row);
  EXPECT_TRUE(without.read());
  EXPECT_THAT(without.net.seen.at(0).proof, IsEmpty());
  EXPECT_EQ(without.net.seen.at(0).may_reach, reach::anywhere);
  EXPECT_FALSE(without.net.seen.at(0).follow);
  reading with(reading::openai("https://h", "k"));
  with.net.answers(usual, 200, one_row);
  EXPECT_TRUE(with.read());
  EXPECT_THAT(with.net.seen.at(0).proof, ElementsAre(std::pair("Authorization", "Bearer k")));
  reading anthropic(reading::openai("https://api.anthropic.com/v1", "k"));
  anthropic.net.answers("GET https://api.anthropic.com/v1/models?limit=1000", 200, one_row);
  EXPECT_TRUE(anthropic.read());
  EXPECT_THAT(anthropic.net.seen.at(0).proof, ElementsAre(std::pair("x-api-key", "k")));
  EXPECT_THAT(anthropic.net.seen.at(0).headers, testing::Contains(std::pair("anthropic-version", "2023-06-01")));
}

TEST(OpenaiListing, RedirectsTakeNeitherTheKeyNorAWayInside) {
  reading p(reading::openai("https://h", "k"));
  p.net.answers(usual, 301, "", {{"location", "/v2/models"}});
  p.net.answers("GET https://h/v2/models", 307, "", {{"location", "https://h:444/models"}});
  p.net.answers("GET https://h:444/models", 302, "", {{"location", "//other/models"}});
  p.net.answers("GET https://other/models", 302, "", {{"location", "https://h/back"}});
  p.net.answers("GET https://h/back", 200, one_row);
  ASSERT_TRUE(p.read());
  ASSERT_THAT(p.net.seen, SizeIs(5));
  EXPECT_THAT(p.net.seen[1].proof, SizeIs(1));
  EXPECT_EQ(p.net.seen[2].may_reach, reach::anywhere) << "the operator's host, another port";
  EXPECT_THAT(p.net.seen[2].proof, IsEmpty());
  EXPECT_EQ(p.net.seen[3].may_reach, reach::outside);
  EXPECT_THAT(p.net.seen[3].proof, IsEmpty());
  EXPECT_THAT(p.net.seen[4].proof, IsEmpty()) << "another origin was in between";
}

TEST(OpenaiListing, RedirectsThatAreNotFollowed) {
  for (const auto& [location, says] : {std::pair("", "to nowhere"),
                                       {"http://h/v1/models", "from https to http"},
                                       {"ftp://h/", "not followed"},
                                       {"https://u:secret@h/", "not followed"}}) {
    reading p(reading::openai("https://h"));
    p.net.answers(usual, 302, "", {{"location", location}});
    const auto got = p.read();
    EXPECT_FAILS(got, error_code::unavailable, says);
    EXPECT_THAT(got.error().message, Not(HasSubstr("secret")));
  }
  reading circle(reading::openai("https://h"));
  circle.net.answers(usual, 302, "", {{"location", "https://h/v1/models"}});
  EXPECT_FAILS(circle.read(), error_code::unavailable, "more than 10 times");
}

TEST(OpenaiListing, OtherStatuses) {
  for (const unsigned status : {201U, 204U, 206U, 304U, 400U, 404U, 418U}) {
    reading p(reading::openai("https://h"));
    p.net.answers(usual, status, one_row);
    EXPECT_FAILS(p.read(), error_code::unavailable, "https://h/v1/models answers " + std::to_string(status));
    EXPECT_THAT(p.batches, IsEmpty());
  }
  reading none(reading::openai("https://h"));
  none.net.answers(usual, 401, "{}");
  EXPECT_FAILS(none.read(), error_code::unavailable, "wants a key, and none is configured");
  reading wrong(reading::openai("https://h", "secret"));
  wrong.net.answers(usual, 401, "{}");
  const auto got = wrong.read();
  EXPECT_FAILS(got, error_code::unavailable, "the key is refused");
  EXPECT_THAT(got.error().detail, HasSubstr("P_KEY"));
  EXPECT_THAT(got.error().message + got.error().detail, Not(HasSubstr("secret")));
  reading packed(reading::openai("https://h"));
  packed.net.answers(usual, 200, one_row, {{"content-encoding", "gzip"}});
  EXPECT_FAILS(packed.read(), error_code::unavailable, "answers in 'gzip', which was not asked for");
  reading down(reading::openai("https://h"));
  down.net.is_down();
  EXPECT_FAILS(down.read(), error_code::unavailable, "cannot be reached");
}

TEST(OpenaiListing, PagesByEachOfTheWays) {
  reading p(reading::openai("https://h"));
  p.net.answers(usual, 200, R"({"data":[{"id":"a"},{"id":"b"}],"has_more":true,"last_id":"b"})");
  p.net.answers("GET https://h/v1/models?after_id=b", 200, R"({"data":[],"next_page_token":"t"})");
  p.net.answers("GET https://h/v1/models?after_id=b&page_token=t", 200, R"({"data":null,"nextPageToken":"T"})");
  p.net.answers("GET https://h/v1/models?after_id=b&page_token=t&pageToken=T", 200, R"([{"id":"a","name":"later"}])",
                {{"link", R"(<https://elsewhere/models?page=9>; rel="next")"}});
  p.net.answers("GET https://h/v1/models?page=9", 200, R"({"data":[{"id":"c"},{}],"has_more":false,"last_id":"c"})");
  const auto got = p.read();
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_THAT(p.ids(), ElementsAre("a", "b", "a", "c")) << "the later of the same id comes later";
  EXPECT_EQ(p.batches.at(0).at(2).name, "later");
  EXPECT_EQ(got->rows, 4U);
  EXPECT_EQ(got->pages, 5U);
  EXPECT_EQ(got->skipped, 1U);
  EXPECT_THAT(got->examples, ElementsAre("page 5, data[1]: id is missing"));
}

TEST(OpenaiListing, PagesInACircle) {
  reading same(reading::openai("https://h"));
  same.net.answers(usual, 200, R"({"data":[{"id":"a"}],"next_page_token":"t"})");
  same.net.answers("GET https://h/v1/models?page_token=t", 200, R"({"data":[{"id":"b"}],"next_page_token":"t"})");
  EXPECT_FAILS(same.read(), error_code::unprocessable, "pages in a circle: page 3");
  reading ignored(reading::openai("https://h"));
  for (const char* url : {usual, "GET https://h/v1/models?after_id=a"})
    ignored.net.answers(url, 200, R"({"data":[{"id":"a"}],"has_more":true,"last_id":"a"})");
  EXPECT_FAILS(ignored.read(), error_code::unprocessable, "pages in a circle");
  reading itself(reading::openai("https://h"));
  itself.net.answers(usual, 200, one_row, {{"link", "<https://h/v1/models>; rel=next"}});
  EXPECT_FAILS(itself.read(), error_code::unprocessable, "pages in a circle");
}

TEST(OpenaiListing, AFaultOfALaterPageIsTheReadings) {
  for (const auto& [status, body, code] : {std::tuple(500U, "", error_code::unavailable),
                                           {200U, "<html>", error_code::unprocessable},
                                           {200U, R"({"error":{"message":"rate limited"}})", error_code::unprocessable},
                                           {200U, R"({"data":[{"id":"b"})", error_code::unprocessable}}) {
    reading p(reading::openai("https://h"));
    p.net.answers(usual, 200, R"({"data":[{"id":"a"}],"next_page_token":"t"})");
    p.net.answers("GET https://h/v1/models?page_token=t", status, body);
    const auto got = p.read();
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, code) << body;
  }
}

TEST(OpenaiListing, WhatIsTooMuch) {
  provider_limits limits;
  limits.rows_max = 3;
  reading many(reading::openai("https://h"), {}, limits);
  many.net.answers(usual, 200, "[" + rows(0, 3) + "]");
  EXPECT_TRUE(many.read());
  many.net.answers(usual, 200, "[" + rows(0, 4) + "]");
  EXPECT_FAILS(many.read(), error_code::payload_too_large, "more than 3 models");
  config::settings settings;
  settings.max_provider_models = 2;
  reading set(reading::openai("https://h"), settings);
  set.net.answers(usual, 200, "[" + rows(0, 3) + "]");
  EXPECT_FAILS(set.read(), error_code::payload_too_large, "more than 2 models");
  limits = {};
  limits.pages_max = 2;
  reading pages(reading::openai("https://h"), {}, limits);
  pages.net.answers(usual, 200, R"({"data":[],"next_page_token":"1"})");
  pages.net.answers("GET https://h/v1/models?page_token=1", 200, R"({"data":[],"next_page_token":"2"})");
  EXPECT_FAILS(pages.read(), error_code::payload_too_large, "more than 2 pages");
  limits = {};
  limits.time_max = std::chrono::seconds(-1);
  reading slow(reading::openai("https://h"), {}, limits);
  EXPECT_FAILS(slow.read(), error_code::unavailable, "takes longer than");
  EXPECT_THAT(slow.asked(), IsEmpty());
}

TEST(OpenaiListing, NothingAndMostlyNothingIsAFailure) {
  for (const char* none : {"[]", R"({"data":null})", R"({"data":[]})"}) {
    reading p(reading::openai("https://h"));
    p.net.answers(usual, 200, none);
    EXPECT_FAILS(p.read(), error_code::unprocessable, "lists no model");
  }
  reading bad(reading::openai("https://h"));
  bad.net.answers(usual, 200, R"([{"id":"a"},{"id":7},7])");
  EXPECT_FAILS(bad.read(), error_code::unprocessable,
               "of 3 models only 1 can be used: [1]: id is no text; [2]: is no object");
  bad.net.answers(usual, 200, R"([{"id":"a"},{"id":7}])");
  EXPECT_TRUE(bad.read()) << "half is enough";
  bad.net.answers(usual, 200, "[{}]");
  EXPECT_FAILS(bad.read(), error_code::unprocessable, "of 1 models only 0");
}

TEST(OpenaiListing, BatchesAndExamplesAreBounded) {
  reading p(reading::openai("https://h"));
  std::string bad;
  for (int i = 0; i < 20; ++i) bad += ",{}";
  p.net.answers(usual, 200, "[" + rows(0, 2500) + bad + "]");
  const auto got = p.read();
  ASSERT_TRUE(got);
  ASSERT_THAT(p.batches, SizeIs(3));
  EXPECT_THAT(p.batches[0], SizeIs(1000));
  EXPECT_THAT(p.batches[2], SizeIs(500));
  EXPECT_EQ(got->rows, 2500U);
  EXPECT_EQ(got->skipped, 20U);
  EXPECT_THAT(got->examples, SizeIs(10));
  EXPECT_EQ(p.ids()[2499], "m2499");
  const auto again = p.read();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->rows, 2500U) << "a reading starts afresh";
}

TEST(OpenaiListing, EndsWithItsTakerAndWhenItIsCancelled) {
  reading p(reading::openai("https://h"));
  p.net.answers(usual, 200, "[" + rows(0, 2500) + "]");
  p.refuse = true;
  EXPECT_FAILS(p.read(), error_code::unavailable, "the database is gone");
  EXPECT_THAT(p.batches, SizeIs(1));
  p.cancelled = true;
  EXPECT_FAILS(p.read(), error_code::cancelled, "cancelled");
  EXPECT_THAT(p.batches, IsEmpty());
  EXPECT_THAT(p.asked(), SizeIs(1));
}

}  // namespace
}  // namespace troupe::cache
