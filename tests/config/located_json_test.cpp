#include "config/located_json.hpp"

#include <gtest/gtest.h>

namespace troupe::config {
namespace {

std::string complaint(std::string_view text) {
  const auto parsed = located_json::parse(text, "f.json");
  return parsed ? "" : parsed.error().message;
}

TEST(located_json, remembers_places) {
  const auto json = located_json::parse("{\n  \"a\": [1, \"x\"],\n  \"b\\u0041\": {\"c\": null}\n}", "f.json");
  ASSERT_TRUE(json);
  const auto& root = json->root();
  ASSERT_EQ(root.members.size(), 2u);
  EXPECT_EQ(json->where(root.members[0].key_offset), "f.json:2:3");
  EXPECT_EQ(json->where(root.members[0].value.offset), "f.json:2:8");
  EXPECT_EQ(json->where(root.members[0].value.items[1].offset), "f.json:2:12");
  EXPECT_EQ(root.members[0].value.items[0].text, "1");
  EXPECT_EQ(root.members[0].value.items[1].text, "x");
  EXPECT_EQ(root.members[1].key, "bA");
  EXPECT_EQ(json->where(root.members[1].value.members[0].value.offset), "f.json:3:20");
  EXPECT_EQ(root.find("a"), &root.members[0].value);
  EXPECT_EQ(root.find("z"), nullptr);
}

TEST(located_json, keeps_numbers_as_written) {
  const auto json = located_json::parse("[1, -0.5, 1e3, 18446744073709551615 , true, false, null]", "f");
  ASSERT_TRUE(json);
  std::vector<std::string> texts;
  for (const auto& item : json->root().items) texts.push_back(item.text);
  EXPECT_EQ(texts, (std::vector<std::string>{"1", "-0.5", "1e3", "18446744073709551615", "true", "false", "null"}));
}

TEST(located_json, malformed_text_says_where) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "f.json:1:1: the text ends"},
      {"   ", "the text ends"},
      {"{\"a\": 1,}", "f.json:1:9: expected a key"},
      {"{\"a\": 1\n \"b\": 2}", "f.json:2:2: expected ',' or '}'"},
      {"{\"a\" 1}", "f.json:1:6: expected ':'"},
      {"{'a': 1}", "f.json:1:2: expected a key"},
      {"{\"a\": tru}", "f.json:1:7: expected a value"},
      {"{\"a\": True}", "f.json:1:7: expected a value"},
      {"{\"a\": 01}", "f.json:1:7: a malformed number"},
      {"{\"a\": 1.}", "f.json:1:9: expected a digit"},
      {"{\"a\": +1}", "f.json:1:7: expected a value"},
      {"{\"a\": NaN}", "f.json:1:7: expected a value"},
      {"[1, 2", "f.json:1:6: the text ends where ',' or ']'"},
      {"[1 2]", "f.json:1:4: expected ',' or ']'"},
      {"{\"a\": \"x}", "f.json:1:7: a string that is never closed"},
      {"{\"a\": \"x\ny\"}", "f.json:1:9: a control character"},
      {"{\"a\": \"\\q\"}", "f.json:1:8: an unknown escape"},
      {"{\"a\": \"\\u12\"}", "f.json:1:8: \\u needs"},
      {"{} x", "f.json:1:4: text after the end"},
      {"{}{}", "f.json:1:3: text after the end"},
      {"{\"a\": 1, // no\n}", "f.json:1:10: expected a key"},
      {"\"text\"", "f.json:1:1: the file must hold an object"},
      {"7", "f.json:1:1: the file must hold an object"},
      {"{\"a\": \"\xFF\"}", "f.json:1:8: a byte that is not UTF-8"},
      {"{\"a\": 1, \"a\": 2}", "f.json:1:10: the key \"a\" is given twice"},
      {"{\"x\": {\"a\": 1,\n\"\\u0061\": 2}}", "f.json:2:1: the key \"a\" is given twice"},
      {std::string(70, '[') + std::string(70, ']'), "nested too deep"},
      {std::string(2000, '['), "nested too deep"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_NE(complaint(text).find(expected), std::string::npos) << text << "\n  said: " << complaint(text);
  }
}

TEST(located_json, accepts_what_is_json) {
  for (const std::string text : {"{}", "[]", " {\"a\": {}} \n", "\xEF\xBB\xBF{}", "{\"\": \"\\ud83d\\ude00\"}"}) {
    EXPECT_EQ(complaint(text), "") << text;
  }
  EXPECT_EQ(complaint(std::string(60, '[') + std::string(60, ']')), "");
}

TEST(located_json, nearest_key) {
  const std::vector<std::string> keys{"max_models", "memory_threshold", "port"};
  EXPECT_EQ(nearest("max_model", keys), "max_models");
  EXPECT_EQ(nearest("MAX_MODELS", keys), "max_models");
  EXPECT_EQ(nearest("prot", keys), "port");
  EXPECT_EQ(nearest("colour_of_the_sky", keys), "");
}

TEST(located_json, shows_values_on_one_line) {
  EXPECT_EQ(shown("a\nb\x1B"), "\"a?b?\"");
  EXPECT_EQ(shown(std::string(100, 'x')).size(), 64u);
}

}  // namespace
}  // namespace troupe::config
