#include "inference/speech/word_ids.hpp"

#include <gtest/gtest.h>

namespace troupe::inference {
namespace {

std::string refusal(std::string_view json, std::string_view unknown = "<unk>") {
  const auto made = word_ids::parse(json, "tokens.json", unknown);
  if (made) return "";
  EXPECT_EQ(made.error().code, error_code::unprocessable);
  return made.error().message;
}

TEST(word_ids, finds_words) {
  const auto ids = word_ids::parse(R"(["<unk>", "我", "ok", "OK", "usa", ""])", "tokens.json", "<unk>");
  ASSERT_TRUE(ids) << ids.error().message;
  EXPECT_EQ(ids->size(), 6);
  EXPECT_EQ(ids->of("我"), 1);
  EXPECT_EQ(ids->of("ok"), 2);
  EXPECT_EQ(ids->of("OK"), 3);  // as it is spelled first
  EXPECT_EQ(ids->of("Ok"), 2);  // then small
  EXPECT_EQ(ids->of("USA"), 4);
  EXPECT_EQ(ids->of(""), 5);
  EXPECT_EQ(ids->of("你"), 0);
}

TEST(word_ids, finds_each_of_many) {
  std::string json = "[\"<unk>\"";
  for (int i = 1; i < 20000; ++i) json += ",\"w" + std::to_string(i) + '"';
  const auto ids = word_ids::parse(json + "]", "tokens.json", "<unk>");
  ASSERT_TRUE(ids);
  for (int i = 1; i < 20000; ++i) ASSERT_EQ(ids->of("w" + std::to_string(i)), i);
  EXPECT_EQ(ids->of("w20000"), 0);
}

TEST(word_ids, refuses_what_is_no_list_of_words) {
  EXPECT_NE(refusal("{}"), "");
  EXPECT_NE(refusal("[\"<unk>\""), "");
  EXPECT_NE(refusal("[\"<unk>\", 3]").find("entry 1"), std::string::npos);
  EXPECT_NE(refusal("[\"<unk>\", \"a\", \"a\"]").find("twice"), std::string::npos);
  EXPECT_NE(refusal("[\"a\"]").find("<unk>"), std::string::npos);
  EXPECT_NE(refusal("[]").find("<unk>"), std::string::npos);
}

}  // namespace
}  // namespace troupe::inference
