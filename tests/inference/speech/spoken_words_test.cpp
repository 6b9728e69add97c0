#include "inference/speech/spoken_words.hpp"

#include <gtest/gtest.h>

namespace troupe::inference {
namespace {

// "text begin end" of each word; the tokens last a second each.
std::string words(const std::vector<std::string>& tokens) {
  std::vector<spoken_token> all;
  for (std::size_t i = 0; i < tokens.size(); ++i)
    all.push_back({static_cast<std::int32_t>(i), tokens[i], static_cast<double>(i), static_cast<double>(i) + 0.5});
  std::string out;
  for (const auto& w : words_of(all))
    out += w.text + " " + std::to_string(static_cast<int>(w.begin_s)) + "-" +
           std::to_string(static_cast<int>(w.end_s)) + "; ";
  return out;
}

TEST(spoken_words, join_as_the_text_does) {
  EXPECT_EQ(words({"你", "好"}), "你 0-0; 好 1-1; ");
  EXPECT_EQ(words({"hel@@", "lo", "world"}), "hello 0-1; world 2-2; ");
  EXPECT_EQ(words({"a@@", "b@@", "c", "d@@", "e"}), "abc 0-2; de 3-4; ");
  EXPECT_EQ(words({"c", "p", "u", "好"}), "CPU 0-2; 好 3-3; ");
  EXPECT_EQ(words({"c", "word", "p"}), "c 0-0; word 1-1; p 2-2; ");
  EXPECT_EQ(words({"hel@@", "好"}), "hel 0-0; 好 1-1; ") << "a piece that nothing follows";
  EXPECT_EQ(words({"hel@@"}), "hel 0-0; ");
  EXPECT_EQ(words({"hel@@", "o", "p", "q"}), "helo 0-1; PQ 2-3; ");
  EXPECT_EQ(words({"<s>", "你", "<unk>", "</s>"}), "你 1-1; ");
  EXPECT_EQ(words({"hel@@", "<unk>", "lo"}), "hello 0-2; ") << "nobody said what is special";
  EXPECT_EQ(words({}), "");
}

}  // namespace
}  // namespace troupe::inference
