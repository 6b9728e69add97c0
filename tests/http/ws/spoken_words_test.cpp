#include "http/ws/spoken_words.hpp"

#include <gmock/gmock.h>

namespace troupe::http::tests {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> words(const std::vector<std::string>& tokens) {
  std::vector<inference::spoken_token> spoken;
  for (const auto& t : tokens) {
    const auto at = static_cast<double>(spoken.size());
    spoken.push_back({1, t, at, at + 0.5});
  }
  std::vector<std::string> out;
  for (const auto& w : words_of(spoken)) {
    out.push_back(w.text + " " + std::to_string(static_cast<int>(w.begin_s * 10)) + "-" +
                  std::to_string(static_cast<int>(w.end_s * 10)));
  }
  return out;
}

TEST(spoken_words, pieces_join_what_follows) {
  EXPECT_THAT(words({"hel@@", "lo", "你", "wor@@", "ld@@", "s"}),
              ElementsAre("hello 0-15", "你 20-25", "worlds 30-55"));
  EXPECT_THAT(words({"hel@@", "你"}), ElementsAre("hel 0-5", "你 10-15")) << "as the text has it, too";
  EXPECT_THAT(words({"hel@@"}), ElementsAre("hel 0-5"));
  EXPECT_THAT(words({"@@", "a"}), ElementsAre("a 10-15"));
  EXPECT_THAT(words({}), ElementsAre());
}

TEST(spoken_words, sentences_follow_each_other) {
  std::string text;
  append_sentence(text, " one two");
  append_sentence(text, " three ");
  append_sentence(text, " ");
  append_sentence(text, "四五");
  append_sentence(text, "six");
  EXPECT_EQ(text, "one two three四五six");
}

}  // namespace
}  // namespace troupe::http::tests
