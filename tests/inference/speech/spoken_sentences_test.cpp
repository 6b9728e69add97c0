#include "inference/speech/spoken_sentences.hpp"

#include <gtest/gtest.h>

namespace troupe::inference {
namespace {

// Sentences with the places of their tokens: "你好。0-1|..".
std::string split(std::string text, const std::vector<std::string>& tokens) {
  transcript whole;
  whole.text = std::move(text);
  for (std::size_t i = 0; i < tokens.size(); ++i)
    whole.tokens.push_back(
        {static_cast<std::int32_t>(i), tokens[i], static_cast<double>(i), static_cast<double>(i) + 1});
  if (!tokens.empty()) {
    whole.begin_s = 0;
    whole.end_s = static_cast<double>(tokens.size());
  }
  std::string out;
  std::size_t sum = 0;
  for (const auto& one : split_sentences(whole)) {
    out += one.text;
    if (one.begin_s)
      out += std::to_string(static_cast<int>(*one.begin_s)) + "-" + std::to_string(static_cast<int>(*one.end_s));
    out += "|";
    sum += one.tokens.size();
  }
  EXPECT_EQ(sum, tokens.size()) << "each token belongs to one sentence";
  return out;
}

TEST(spoken_sentences, end_at_their_marks) {
  EXPECT_EQ(split("你好。再见？", {"你", "好", "再", "见"}), "你好。0-2|再见？2-4|");
  EXPECT_EQ(split("你，好。再见", {"你", "好", "再", "见"}), "你，好。0-2|再见2-4|") << "a comma ends nothing";
  EXPECT_EQ(split("Hello world. It's 3.5 CPU!", {"hel@@", "lo", "world", "it's", "3", "5", "c", "p", "u"}),
            "Hello world.0-3|It's 3.5 CPU!3-9|");
  EXPECT_EQ(split("好？！。好", {"好", "好"}), "好？！。0-1|好1-2|") << "marks alone belong to what was before";
  EXPECT_EQ(split("好。", {"好"}), "好。0-1|");
  EXPECT_EQ(split("好", {"好"}), "好0-1|");
}

TEST(spoken_sentences, stay_whole_where_tokens_and_text_differ) {
  EXPECT_EQ(split("你好。再见。", {}), "你好。再见。|");
  EXPECT_EQ(split("你好。再见。", {"你", "好", "再"}), "你好。再见。0-3|");
  EXPECT_EQ(split("你好。再", {"你", "好", "再", "见"}), "你好。再0-4|");
  EXPECT_EQ(split("你们。再见。", {"你", "好", "再", "见"}), "你们。再见。0-4|");
  EXPECT_EQ(split("He. Llo.", {"hello"}), "He. Llo.0-1|") << "a mark within a token";
  EXPECT_EQ(split("\xff。x", {"x"}), "\xff。x0-1|") << "no UTF-8";
}

}  // namespace
}  // namespace troupe::inference
