#include "actors/sessions/open_sentence.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using inference::endpoint_reason;
using inference::transcript;

transcript said(std::string text, double begin_s, double end_s) {
  return {std::move(text), false, begin_s, end_s, {{1, "a", begin_s, end_s}}};
}

TEST(open_sentence, gathers_text_and_times) {
  open_sentence s({{}, 1000, false});
  s.begin(0);
  s.take({}, 600);
  s.take(said("he", 0.7, 0.9), 600);
  s.take(said("llo", 1.3, 1.5), 600);
  const auto one = s.close();
  EXPECT_EQ(one.text.text, "hello");
  EXPECT_EQ(one.text.begin_s, 0.7);
  EXPECT_EQ(one.text.end_s, 1.5);
  EXPECT_EQ(one.text.tokens.size(), 2u);
  EXPECT_TRUE(one.text.final);
  EXPECT_TRUE(one.sound.empty()) << "it was not asked to keep it";
  EXPECT_EQ(s.close().text.text, "");
}

TEST(open_sentence, is_over_by_the_rules) {
  open_sentence s({{2.4, 1.2, 20}, 16000, false});
  s.begin(0);
  for (int i = 0; i < 3; ++i) s.take({}, 9600);
  EXPECT_EQ(s.over(), endpoint_reason::none);
  s.take({}, 9600);
  EXPECT_EQ(s.over(), endpoint_reason::silence);
  s.close();
  EXPECT_EQ(s.over(), endpoint_reason::none);
  // Exact wherever it is in the sound.
  for (int words = 1; words < 12; ++words) {
    for (int i = 0; i < words; ++i) s.take(said("a", 0, 0), 9600);
    s.take({}, 9600);
    EXPECT_EQ(s.over(), endpoint_reason::none);
    s.take({}, 9600);
    EXPECT_EQ(s.over(), endpoint_reason::silence_after_token) << words;
    s.close();
  }
  for (int i = 0; i < 34; ++i) s.take(said("a", 0, 0), 9600);
  EXPECT_EQ(s.over(), endpoint_reason::too_long);
}

TEST(open_sentence, its_sound_ends_where_the_recogniser_is) {
  open_sentence s({{}, 1000, true});
  s.begin(5000);
  s.hear(std::vector<float>(300, 1.0F));
  s.take(said("a", 5.1, 5.2), 200);
  s.hear(std::vector<float>(100, 2.0F));
  auto one = s.close();
  EXPECT_EQ(one.sound, std::vector<float>(200, 1.0F));
  EXPECT_DOUBLE_EQ(one.sound_begin_s, 5);
  s.take(said("b", 5.3, 5.4), 200);
  one = s.close();
  EXPECT_EQ(one.sound.size(), 200u);
  EXPECT_EQ(one.sound.front(), 1.0F);
  EXPECT_EQ(one.sound.back(), 2.0F);
  EXPECT_DOUBLE_EQ(one.sound_begin_s, 5.2);
  s.hear(std::vector<float>(50));
  s.begin(9000);
  s.hear(std::vector<float>(10));
  s.take({}, 10);
  EXPECT_EQ(s.close().sound.size(), 10u) << "what was left of another utterance is gone";
}

TEST(open_sentence, knows_whether_it_was_told) {
  open_sentence s({{}, 1000, false});
  s.begin(0);
  s.was_told();
  EXPECT_TRUE(s.close().told);
  EXPECT_FALSE(s.close().told);
}

TEST(open_sentence, shifting_moves_all_times) {
  auto t = said("a", 0.5, 1);
  shift(t, 2);
  EXPECT_EQ(t.begin_s, 2.5);
  EXPECT_EQ(t.end_s, 3);
  EXPECT_EQ(t.tokens[0].begin_s, 2.5);
  EXPECT_EQ(t.tokens[0].end_s, 3);
}

}  // namespace
}  // namespace troupe::actors
