// JSON as Python's json module writes it.

#include "inference/files/model_json.hpp"

#include <gtest/gtest.h>

namespace troupe::inference::tests {
namespace {

TEST(model_json, takes_numbers_of_any_size) {
  const auto json = model_json::parse(
      R"({"a": 1000000000000000019884624838656, "b": NaN, "c": [Infinity, -Infinity, 1e999], "d": "NaN 1e999, \" NaN",
          "e": -99999999999999999999, "f": 18446744073709551615, "g": -9223372036854775808, "h": 1.5e3})",
      "x.json");
  ASSERT_TRUE(json) << json.error().message;
  const auto root = json->root();
  EXPECT_EQ(double(root["a"]), 1e30);
  EXPECT_GT(double(root["b"]), 1e308);
  EXPECT_GT(double(root["c"].at(0)), 1e308);
  EXPECT_LT(double(root["c"].at(1)), -1e308);
  EXPECT_GT(double(root["c"].at(2)), 1e308);
  EXPECT_EQ(std::string_view(root["d"]), "NaN 1e999, \" NaN");
  EXPECT_EQ(double(root["e"]), -1e20);
  EXPECT_EQ(std::uint64_t(root["f"]), UINT64_MAX);
  EXPECT_EQ(std::int64_t(root["g"]), INT64_MIN);
  EXPECT_EQ(double(root["h"]), 1500);
  EXPECT_EQ(json->written({"b"}), "NaN");
  EXPECT_EQ(json->written(json_path({"c", std::size_t{2}})), "1e999");
}

TEST(model_json, says_where_a_text_is_no_json) {
  for (const auto& [text, where] : {std::pair{"{\n  \"a\": nan\n}", "x.json:2:8"},
                                    {"{\"a\": NaN,\n]", "x.json:2:1"},
                                    {"{\"a\": 01}", "x.json:1:"},
                                    {"{\"a\": 1e999,, }", "x.json:1:13"},
                                    {"{\"a\": Nan}", "x.json:1:7"},
                                    {"{\"a\": \"\xff\"}", "x.json:1:8"},
                                    {"[1]", "x.json:1:1"},
                                    {" NaN", "x.json:1:2"},
                                    {"{\"a\": 1} NaN", "x.json:1:10"},
                                    {"{\"a\": 12NaN}", "x.json:1:"},
                                    {"{\"a\": --1e999}", "x.json:1:"},
                                    {"{\"a\": \"1", "x.json:1:"}}) {
    const auto json = model_json::parse(text, "x.json");
    ASSERT_FALSE(json) << text;
    EXPECT_EQ(json.error().code, error_code::unprocessable);
    EXPECT_EQ(json.error().message.substr(0, std::string_view(where).size()), where) << json.error().message;
  }
  EXPECT_FALSE(model_json::parse(std::string(100'000, '['), "x.json"));
  EXPECT_FALSE(model_json::parse("", "x.json"));
}

TEST(model_json, half_of_a_surrogate_pair_is_named_with_its_place) {
  for (const char* half : {R"(\ud800)", R"(\udc00)", R"(\uD83Dx)", R"(\ud83d\u0041)", R"(\ud83d\ud83d\ude00)"}) {
    const auto json = model_json::parse("{\n \"a\": \"b" + std::string(half) + "\"}", "x.json");
    ASSERT_FALSE(json) << half;
    EXPECT_EQ(json.error().message, "x.json:2:9 is not usable JSON: a \\u escape that is half of a pair");
  }
  EXPECT_TRUE(model_json::parse(R"({"a": "\ud83d\ude00"})", "x.json"));
  // A fault behind a whole pair is told as before.
  const auto json = model_json::parse(R"({"a": "\ud83d\ude00",})", "x.json");
  EXPECT_NE(json.error().message.find("x.json:1:22"), std::string::npos) << json.error().message;
}

TEST(model_json, members_are_written_in_the_order_of_the_file) {
  const auto json =
      model_json::parse(R"({"a": {"x": 1.50, "y": [2, {"z": 3}] , "x": "t,"}, "b": {}, "c": 1})", "x.json");
  EXPECT_EQ(json->members_written({"a"}), (std::vector<std::string_view>{"1.50", "[2, {\"z\": 3}]", "\"t,\""}));
  EXPECT_TRUE(json->members_written({"b"}).empty());
  EXPECT_TRUE(json->members_written({"c"}).empty());
}

TEST(model_json, problems_name_line_and_key) {
  const auto json = model_json::parse("{\n \"a\": {\"b\": [1,\n  {\"c,]}\\\"\": 0, \"d\":   7}]}}", "x.json");
  ASSERT_TRUE(json);
  const result<void> odd = json->problem({"a", "b", std::size_t{1}, "d"}, "is odd");
  EXPECT_EQ(odd.error().message, "x.json:3:24: 'a.b[1].d' is odd");
  // What is not there is told at what should hold it.
  EXPECT_EQ(json->place(json_path({"a", "x", "y"})), "x.json:2:7");
  EXPECT_EQ(json->place(json_path({"a", "b", std::size_t{9}})), "x.json:2:13");
}

TEST(model_json, the_last_of_equal_keys_counts) {
  const auto json = model_json::parse("{\"a\": 1,\n\"a\": 2, \"n\": 3, \"n\": null}", "x.json");
  ASSERT_TRUE(json);
  EXPECT_EQ(std::int64_t(*member(json->root(), "a")), 2);
  EXPECT_EQ(json->written({"a"}), "2");
  EXPECT_FALSE(member(json->root(), "n"));
}

}  // namespace
}  // namespace troupe::inference::tests
