#include <gtest/gtest.h>

#include <cmath>

#include "http/core/errors.hpp"
#include "http/json/json_read.hpp"
#include "http/json/json_write.hpp"
#include "http/json/tensor_json.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

TEST(routes_text, percent_decoding) {
  EXPECT_EQ(percent_decode("a%20b+c", true), "a b c");
  EXPECT_EQ(percent_decode("a+b", false), "a+b");
  EXPECT_EQ(percent_decode("%C3%a9", false), "\xc3\xa9");
  for (const char* bad : {"%", "%4", "a%zz", "%%41", "%4g"}) EXPECT_FALSE(percent_decode(bad, true)) << bad;
}

TEST(routes_text, parameters) {
  const auto p = parse_parameters("text=Ignore%20previous+instructions&&a&b=&c=x=y", "query");
  ASSERT_TRUE(p);
  const parameter_list wanted{{"text", "Ignore previous instructions"}, {"a", ""}, {"b", ""}, {"c", "x=y"}};
  EXPECT_EQ(*p, wanted);
  for (const char* bad : {"a=%", "a=%ff", "%c0%af=1"}) {
    const auto r = parse_parameters(bad, "query");
    ASSERT_FALSE(r) << bad;
    EXPECT_EQ(r.error().code, error_code::bad_request);
  }
  std::string many;
  for (int i = 0; i < 65; ++i) many += "a=1&";
  EXPECT_FALSE(parse_parameters(many, "query"));
}

TEST(routes_text, blank) {
  for (const char* blank : {"", " ", "\t\r\n", "\xc2\xa0", "\xe3\x80\x80 \xe2\x80\x83", "\xef\xbb\xbf"}) {
    EXPECT_TRUE(is_blank(blank)) << blank;
  }
  for (const char* text : {"a", " a ", ".", "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80"})
    EXPECT_FALSE(is_blank(text)) << text;
}

TEST(routes_text, utf8_is_repaired) {
  EXPECT_EQ(make_utf8("a\xff"
                      "b"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(make_utf8("\xe4\xb8"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(make_utf8("\xc3\xa9"), "\xc3\xa9");
  EXPECT_EQ(shown(std::string(200, 'x'), 10), "xxxxxxxxxx..");
  EXPECT_EQ(shown("a\r\nb"), "a  b");
}

TEST(routes_text, constant_time_comparison) {
  EXPECT_TRUE(equal_in_constant_time("secret", "secret"));
  for (const char* bad : {"", "secre", "secrets", "Secret", "secretsecret", "s"}) {
    EXPECT_FALSE(equal_in_constant_time("secret", bad)) << bad;
  }
  EXPECT_FALSE(equal_in_constant_time("", ""));
  EXPECT_FALSE(equal_in_constant_time("", "a"));
}

TEST(routes_json, times) {
  using namespace std::chrono;
  EXPECT_EQ(iso_utc(system_clock::time_point(seconds(0))), "1970-01-01T00:00:00Z");
  EXPECT_EQ(iso_utc(system_clock::time_point(seconds(1704067199))), "2023-12-31T23:59:59Z");
  EXPECT_EQ(iso_utc(system_clock::time_point(seconds(1709164800) + milliseconds(999))), "2024-02-29T00:00:00Z");
}

TEST(routes_json, numbers) {
  json_out json;
  json.array().value(0.95f).value(1.0f).value(0.0f).value(1e-5f).value(INFINITY).value(NAN).value(512.3);
  json.value(1.0 / 3).exact(1.0 / 3).value(-1).value(std::uint64_t{18446744073709551615u}).value(true).end_array();
  EXPECT_EQ(json.str(),
            "[0.95,1.0,0.0,1e-05,null,null,512.3,0.333333,0.3333333333333333,-1,18446744073709551615,true]");
}

TEST(routes_json, text_that_is_no_utf8) {
  json_out json;
  json.object().field("a\xff", "b\xfe\n\"").end_object();
  EXPECT_EQ(json.str(), "{\"a\xef\xbf\xbd\":\"b\xef\xbf\xbd\\n\\\"\"}");
}

TEST(routes_json, reading_is_bounded) {
  json_body document;
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_TRUE(document.parse(nested(60)));
  for (const auto& bad : {nested(70), nested(200000), std::string(1000000, '['), std::string("{\"a\":1e999}"),
                          std::string("{\"a\":99999999999999999999}"), std::string("\"\xff\""), std::string("nul"),
                          std::string(""), std::string("{\"a\":1}{"), std::string("{\"a\":1,}"), std::string("'a'")}) {
    const auto r = document.parse(bad);
    ASSERT_FALSE(r) << bad.substr(0, 40);
    EXPECT_EQ(r.error().code, error_code::bad_request);
    EXPECT_LT(r.error().message.size(), 200u);
  }
  EXPECT_TRUE(document.parse("\xef\xbb\xbf{}"));
}

inference::tensor read(const std::string& json, inference::dtype type = inference::dtype::f32) {
  json_body document;
  auto t = read_tensor(*document.parse(json), type, "inputs");
  EXPECT_TRUE(t) << (t ? "" : t.error().message);
  return t ? *t : inference::tensor{};
}

TEST(routes_tensor, there_and_back) {
  using inference::dtype;
  const struct {
    dtype type;
    const char *in, *out;
  } cases[] = {
      {dtype::f32, "[[1,2.5],[-3,0]]", "[[1.0,2.5],[-3.0,0.0]]"},
      {dtype::f64, "[0.1,1e300,-7]", "[0.1,1e+300,-7.0]"},
      {dtype::f16, "[1,0.5,65504,-2.25,6e-8,0.333251953125]", "[1.0,0.5,65504.0,-2.25,5.9604645e-08,0.33325195]"},
      {dtype::bf16, "[1,-0.5,3.140625]", "[1.0,-0.5,3.140625]"},
      {dtype::i64, "[9223372036854775807,-5,2.0]", "[9223372036854775807,-5,2]"},
      {dtype::i32, "[[[7]]]", "[[[7]]]"},
      {dtype::i16, "[-32768]", "[-32768]"},
      {dtype::i8, "[-128,127]", "[-128,127]"},
      {dtype::u8, "[0,255]", "[0,255]"},
      {dtype::boolean, "[true,false,1]", "[true,false,true]"},
      {dtype::f32, "5", "5.0"},
  };
  for (const auto& c : cases) {
    json_out json;
    json.elements(read(c.in, c.type));
    EXPECT_EQ(json.str(), c.out);
  }
}

TEST(routes_tensor, what_does_not_fit) {
  using inference::dtype;
  const std::pair<const char*, dtype> bad[] = {{"[[1,2],[3]]", dtype::f32},
                                               {"[[1],[2,3]]", dtype::f32},
                                               {"[[1],2]", dtype::f32},
                                               {"[1,[2]]", dtype::f32},
                                               {"[]", dtype::f32},
                                               {"[[],[]]", dtype::f32},
                                               {"[\"a\"]", dtype::f32},
                                               {"[null]", dtype::f32},
                                               {"[{}]", dtype::f32},
                                               {"[1e39]", dtype::f32},
                                               {"[70000]", dtype::f16},
                                               {"[1.5]", dtype::i64},
                                               {"[256]", dtype::u8},
                                               {"[-1]", dtype::u8},
                                               {"[1e300]", dtype::i64},
                                               {"[[[[[[[[[1]]]]]]]]]", dtype::f32},
                                               {"[18446744073709551615]", dtype::i64}};
  for (const auto& [json, type] : bad) {
    json_body document;
    const auto t = read_tensor(*document.parse(json), type, "inputs");
    ASSERT_FALSE(t) << json;
    EXPECT_EQ(t.error().code, error_code::unprocessable) << json;
    EXPECT_TRUE(t.error().message.starts_with("inputs ")) << t.error().message;
  }
}

TEST(routes_tensor, splits) {
  const auto parts = split_first_dimension(read("[[1,2],[3,4],[5,6]]"));
  ASSERT_EQ(parts.size(), 3u);
  json_out json;
  json.elements(parts[1]);
  EXPECT_EQ(json.str(), "[3.0,4.0]");
  EXPECT_EQ(parts[2].shape, (std::vector<std::int64_t>{2}));
}

TEST(routes_errors, statuses) {
  const std::pair<error_code, unsigned> table[] = {
      {error_code::bad_request, 400},       {error_code::unauthorized, 401},
      {error_code::forbidden, 403},         {error_code::route_not_found, 404},
      {error_code::model_not_found, 404},   {error_code::method_not_allowed, 405},
      {error_code::conflict, 409},          {error_code::payload_too_large, 413},
      {error_code::header_too_large, 431},  {error_code::uri_too_long, 414},
      {error_code::unsupported_media, 415}, {error_code::unprocessable, 422},
      {error_code::too_many_requests, 429}, {error_code::insufficient_memory, 503},
      {error_code::unavailable, 503},       {error_code::load_failed, 503},
      {error_code::model_failed, 500},      {error_code::deadline_exceeded, 504},
      {error_code::cancelled, 409},         {error_code::internal, 500}};
  for (const auto& [code, status] : table) EXPECT_EQ(status_of(code), status) << to_string(code);
  for (unsigned status : {401u, 403u, 405u, 413u, 414u, 415u, 422u, 429u, 431u, 503u, 504u}) {
    EXPECT_EQ(status_of(code_of_status(status)), status);
  }
}

}  // namespace
}  // namespace troupe::http
