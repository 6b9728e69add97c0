#include "inference/speech/punctuation_rules.hpp"

#include <gtest/gtest.h>

#include "inference/speech/segmentation.hpp"
#include "tests/inference/speech/fixtures.hpp"

namespace troupe::inference {
namespace {

using tests::text_at;

const punctuation_marks& marks() {
  static const punctuation_marks all({"<unk>", "_", "，", "。", "？", "、"}, 3);
  return all;
}

std::vector<std::int32_t> marks_of(std::string_view digits) {
  std::vector<std::int32_t> all;
  for (const auto c : digits) all.push_back(c - '0');
  return all;
}
std::vector<std::string> words_of(std::string_view text) { return split_words(text, nullptr).value(); }

// `windows`: what is found in each; they must come as long as they are.
mark_windows run(std::size_t words, const std::vector<std::string>& windows) {
  mark_windows w(words);
  for (const auto& found : windows) {
    EXPECT_FALSE(w.done());
    EXPECT_EQ(w.end() - w.begin(), found.size());
    if (w.done() || w.end() - w.begin() != found.size()) return mark_windows(words);
    w.take(marks_of(found), marks());
  }
  EXPECT_TRUE(w.done());
  return w;
}

std::string punctuated(std::string_view text, const std::vector<std::string>& windows) {
  const auto words = words_of(text);
  return punctuate(words, run(words.size(), windows), marks()).text;
}

// Sentence loops of funasr with marks that were made up.
TEST(punctuation_rules, loops_as_the_reference) {
  tests::json_file file(tests::punctuation_fixtures() / "rules.json");
  std::size_t cases = 0;
  for (const auto parts : file.root().at_key("offline").get_array())
    for (const auto one : parts.get_array()) {
      const auto words = words_of(text_at(one, 0));
      const auto windows = run(words.size(), tests::strings_of(one.at(1)));
      ASSERT_TRUE(windows.done());
      const auto made = punctuate(words, windows, marks());
      EXPECT_EQ(made.text, text_at(one, 2));
      EXPECT_EQ(made.found, marks_of(text_at(one, 3)));
      ++cases;
    }
  EXPECT_GT(cases, 20U);
}

TEST(punctuation_rules, increments_as_the_reference) {
  tests::json_file file(tests::punctuation_fixtures() / "rules.json");
  std::size_t cases = 0;
  for (const auto parts : file.root().at_key("streaming").get_array()) {
    std::vector<std::string> pending;
    for (const auto one : parts.get_array()) {
      auto words = pending;
      const auto added = words_of(text_at(one, 0));
      words.insert(words.end(), added.begin(), added.end());
      const auto windows = run(words.size(), tests::strings_of(one.at(1)));
      ASSERT_TRUE(windows.done());
      auto made = punctuate_increment(words, pending.size(), windows, marks());
      EXPECT_EQ(made.text, text_at(one, 2));
      pending = std::move(made.pending);
      ++cases;
    }
  }
  EXPECT_GT(cases, 100U);
}

TEST(punctuation_rules, tells_what_an_increment_would_end_with) {
  const auto words = words_of("我你他");
  const auto end = [&](const char* found) {
    return punctuate_increment(words, 0, run(words.size(), {found}), marks()).end_mark;
  };
  EXPECT_EQ(end("111"), "。");
  EXPECT_EQ(end("412"), "。");
  EXPECT_EQ(end("114"), "？");
}

TEST(punctuation_rules, ends_a_text) {
  EXPECT_EQ(punctuated("我", {"1"}), "我。");
  EXPECT_EQ(punctuated("我", {"2"}), "我。");
  EXPECT_EQ(punctuated("我", {"5"}), "我。");
  EXPECT_EQ(punctuated("我", {"4"}), "我？");
  EXPECT_EQ(punctuated("ok", {"1"}), " Ok.");
  EXPECT_EQ(punctuated("ok", {"2"}), " Ok.");
  EXPECT_EQ(punctuated("ok", {"4"}), " Ok?");
  EXPECT_EQ(punctuated("ok", {"5"}), " Ok。");
  EXPECT_EQ(punctuate({}, mark_windows(0), marks()).text, "");
}

TEST(punctuation_rules, a_sentence_begins_with_a_capital) {
  EXPECT_EQ(punctuated("good morning USA how 好 are you", {"1331115"}), " Good morning. Usa. How好are you。");
}

TEST(punctuation_rules, a_long_text_without_end_is_cut_at_its_last_comma) {
  std::string text;
  std::vector<std::string> windows;
  for (int i = 0; i < 240; ++i) text += "我";
  for (std::size_t n = 20; n <= 220; n += 20) {
    windows.emplace_back(n, '1');
    if (n == 220) windows.back()[100] = windows.back()[90] = '2';
  }
  windows.emplace_back(240 - 101, '1');
  const auto words = words_of(text);
  const auto made = punctuate(words, run(words.size(), windows), marks());
  EXPECT_EQ(made.found[100], 3);
  EXPECT_EQ(made.found[90], 2);
}

TEST(punctuation_rules, windows_do_not_grow_for_ever) {
  mark_windows w(5000);
  std::size_t most = 0;
  while (!w.done()) {
    most = std::max(most, w.end() - w.begin());
    w.take(std::vector<std::int32_t>(w.end() - w.begin(), 1), marks());
  }
  EXPECT_LE(most, mark_windows::window_words_max + mark_windows::piece_words);
  EXPECT_EQ(w.found().size(), 5000U);
  std::vector<std::string> words(5000, "我");
  EXPECT_EQ(punctuate_increment(words, 4999, w, marks()).pending.size(), 1U);
}

}  // namespace
}  // namespace troupe::inference
