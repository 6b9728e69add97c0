#include "cache/artifacts/transfer/answer.hpp"

#include <gtest/gtest.h>

namespace troupe::cache {
namespace {

using kind = answer_meaning::kind;
using namespace std::chrono_literals;

http_answer head(unsigned status, header_lines headers = {}) {
  http_answer a;
  a.status = status;
  a.headers = std::move(headers);
  a.url = "http://a/b?secret";
  return a;
}

const asked_bytes whole{{0, range_plan::unknown}, false, false};
const asked_bytes part{{100, 200}, true, false};
const asked_bytes rest{{100, range_plan::unknown}, true, false};

answer_meaning judge(const http_answer& a, const asked_bytes& asked, const known_content& known = {}) {
  const auto m = judge_answer(a, asked, known, 120s, std::chrono::system_clock::from_time_t(0));
  EXPECT_EQ(m.why.message.find("secret"), std::string::npos) << m.why.message;
  return m;
}

known_content sized(std::uint64_t size, bool told = false, const std::string& etag = "") {
  known_content k;
  k.size = size;
  k.size_was_told = told;
  k.etag = etag;
  return k;
}

TEST(Answer, AWholeFile) {
  const auto m = judge(head(200, {{"content-length", "10"}, {"accept-ranges", "bytes"}}), whole);
  EXPECT_EQ(m.what, kind::all);
  EXPECT_EQ(m.size, 10U);
  EXPECT_EQ(m.body, (byte_range{0, 10}));
  EXPECT_TRUE(m.serves_ranges);
  EXPECT_FALSE(judge(head(200, {{"accept-ranges", "none"}}), whole).serves_ranges);
  EXPECT_EQ(judge(head(200, {{"content-length", "10"}}), part).what, kind::all) << "whatever was asked";
}

TEST(Answer, ALengthThatDoesNotCount) {
  const auto m = judge(head(200, {{"content-length", "10"}, {"transfer-encoding", "chunked"}}), whole, sized(20, true));
  EXPECT_EQ(m.what, kind::all);
  EXPECT_FALSE(m.size);
  EXPECT_EQ(m.body.end, range_plan::unknown);
}

TEST(Answer, ALengthThatWasToldOtherwise) {
  const auto a = head(200, {{"content-length", "10"}});
  EXPECT_EQ(judge(a, whole, sized(10, true)).what, kind::all);
  EXPECT_EQ(judge(a, whole, sized(11, true)).what, kind::failed);
  EXPECT_EQ(judge(a, whole, sized(11, true)).why.code, error_code::unprocessable);
  EXPECT_EQ(judge(a, whole, sized(11, false)).what, kind::all) << "other content than before, but all of it";
  known_content small;
  small.size_bytes_max = 9;
  EXPECT_EQ(judge(a, whole, small).why.code, error_code::unprocessable);
}

TEST(Answer, APart) {
  const auto a = head(206, {{"content-range", "bytes 100-199/1000"}, {"content-length", "100"}, {"etag", "\"e\""}});
  const auto m = judge(a, part, sized(1000, true, "\"e\""));
  EXPECT_EQ(m.what, kind::part);
  EXPECT_EQ(m.body, (byte_range{100, 200}));
  EXPECT_EQ(m.size, 1000U);
  EXPECT_TRUE(m.serves_ranges);
  EXPECT_EQ(judge(a, rest).what, kind::part) << "less than was asked for";
  EXPECT_EQ(judge(a, part, sized(1000, true, "W/\"e\"")).what, kind::part);
  EXPECT_EQ(judge(a, part, sized(1000, true, "")).what, kind::part);
  EXPECT_FALSE(judge(head(206, {{"content-range", "bytes 100-199/*"}}), part).size);
}

TEST(Answer, APartThatDoesNotFit) {
  const auto with = [](const char* range, const char* length = "100") {
    return head(206, {{"content-range", range}, {"content-length", length}, {"etag", "\"e\""}});
  };
  EXPECT_EQ(judge(with("bytes 101-200/1000"), part).what, kind::start_over) << "begins elsewhere";
  EXPECT_EQ(judge(with("bytes 100-200/1000", "101"), part).what, kind::start_over) << "goes on for longer";
  EXPECT_EQ(judge(with("bytes 100-199/1000", "99"), part).what, kind::start_over) << "is not as long as it says";
  EXPECT_EQ(judge(with("bytes 100-199/1001"), part, sized(1000)).what, kind::start_over) << "of another whole";
  EXPECT_EQ(judge(with("bytes 100-199/1000"), part, sized(1000, true, "\"f\"")).what, kind::start_over);
  EXPECT_EQ(judge(with("nonsense"), part).what, kind::start_over);
  EXPECT_EQ(judge(head(206), part).what, kind::start_over);
  EXPECT_EQ(judge(with("bytes 0-99/100"), whole).what, kind::start_over) << "nobody asked for one";
  known_content small;
  small.size_bytes_max = 999;
  EXPECT_EQ(judge(with("bytes 100-199/1000"), part, small).what, kind::failed);
  EXPECT_EQ(judge(head(206, {{"content-range", "bytes 900-1000/*"}}), {{900, 1001}, true, false}, small).what,
            kind::failed);
}

TEST(Answer, AnEncodingThatNobodyAskedFor) {
  for (const unsigned status : {200U, 206U}) {
    const auto m = judge(head(status, {{"content-encoding", "gzip"}, {"content-range", "bytes 100-199/1000"}}), part);
    EXPECT_EQ(m.what, kind::failed);
    EXPECT_EQ(m.why.code, error_code::unprocessable);
  }
  EXPECT_EQ(judge(head(200, {{"content-encoding", "identity"}}), whole).what, kind::all);
}

TEST(Answer, Failures) {
  const std::tuple<unsigned, kind, error_code> rows[] = {
      {400, kind::failed, error_code::unavailable},     {401, kind::failed, error_code::forbidden},
      {403, kind::failed, error_code::forbidden},       {404, kind::failed, error_code::model_not_found},
      {410, kind::failed, error_code::model_not_found}, {408, kind::again, error_code::unavailable},
      {429, kind::again, error_code::unavailable},      {500, kind::again, error_code::unavailable},
      {503, kind::again, error_code::unavailable},      {204, kind::failed, error_code::unavailable},
      {416, kind::start_over, error_code::unavailable}, {304, kind::failed, error_code::unavailable},
  };
  for (const auto& [status, what, code] : rows) {
    const auto m = judge(head(status), part);
    EXPECT_EQ(m.what, what) << status;
    EXPECT_EQ(m.why.code, code) << status;
  }
  EXPECT_EQ(judge(head(416), whole).what, kind::failed);
}

TEST(Answer, WhereARedirectLedTheOriginIsAskedFirst) {
  const asked_bytes direct{{100, 200}, true, true};
  for (const unsigned status : {400U, 401U, 403U, 404U, 410U})
    EXPECT_EQ(judge(head(status), direct).what, kind::from_origin) << status;
  EXPECT_EQ(judge(head(503), direct).what, kind::again);
}

TEST(Answer, HowLongToWait) {
  const auto m = judge(head(429, {{"retry-after", "120"}}), whole);
  EXPECT_EQ(m.what, kind::again);
  EXPECT_EQ(m.wait, 120s);
  const auto longer = judge(head(429, {{"retry-after", "121"}}), whole);
  EXPECT_EQ(longer.what, kind::failed);
  EXPECT_EQ(longer.why.retry_after_s, 121);
  EXPECT_FALSE(judge(head(429, {{"retry-after", "soon"}}), whole).wait);
}

TEST(StrongEtag, OnlyThat) {
  EXPECT_EQ(strong_etag("\"a\""), "\"a\"");
  for (const char* none : {"", "\"", "W/\"a\"", "a", "\"a", "w/\"a\""}) EXPECT_EQ(strong_etag(none), "") << none;
}

}  // namespace
}  // namespace troupe::cache
