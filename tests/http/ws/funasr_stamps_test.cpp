#include "http/ws/funasr_stamps.hpp"

#include <gtest/gtest.h>

#include <regex>

#include "inference/text/unicode.hpp"
#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

// Each token is spoken for 0.1 s from its number's second on.
inference::transcript sentence(std::string text, const std::vector<std::string>& tokens) {
  inference::transcript out{std::move(text), true, {}, {}};
  for (std::size_t i = 0; i < tokens.size(); ++i)
    out.tokens.push_back(
        {static_cast<std::int32_t>(i), tokens[i], static_cast<double>(i), static_cast<double>(i) + 0.1});
  return out;
}

std::string written(const std::optional<funasr_stamps>& stamps) {
  if (!stamps) return "none";
  json_out json;
  json.object();
  write_stamps(json, *stamps);
  return json.end_object().str();
}

std::string stamps(std::string text, const std::vector<std::string>& tokens) {
  return written(stamps_of(sentence(std::move(text), tokens)));
}

TEST(funasr_stamps, are_written_as_its_server_does) {
  EXPECT_EQ(stamps("正是，因为。", {"正", "是", "因", "为"}),
            R"({"timestamp":"[[0,100],[1000,1100],[2000,2100],[3000,3100]]","stamp_sents":[)"
            R"({"text_seg":"正 是","punc":"，","start":0,"end":1100,"ts_list":[[0,100],[1000,1100]]},)"
            R"({"text_seg":"因 为","punc":"。","start":2000,"end":3100,"ts_list":[[2000,2100],[3000,3100]]}]})");
}

TEST(funasr_stamps, a_word_of_pieces_has_one) {
  EXPECT_EQ(stamps(" Hello world. It's", {"hel@@", "lo", "world", "it's"}),
            R"({"timestamp":"[[0,1100],[2000,2100],[3000,3100]]","stamp_sents":[)"
            R"({"text_seg":"Hello world","punc":".","start":0,"end":2100,"ts_list":[[0,1100],[2000,2100]]},)"
            R"({"text_seg":"It's","punc":"","start":3000,"end":3100,"ts_list":[[3000,3100]]}]})");
}

TEST(funasr_stamps, marks_without_words) {
  EXPECT_EQ(stamps("。你？。", {"你"}), R"({"timestamp":"[[0,100]]","stamp_sents":[)"
                                        R"({"text_seg":"","punc":"。","start":-1,"end":-1,"ts_list":[]},)"
                                        R"({"text_seg":"你","punc":"？","start":0,"end":100,"ts_list":[[0,100]]},)"
                                        R"({"text_seg":"","punc":"。","start":0,"end":0,"ts_list":[]}]})");
}

TEST(funasr_stamps, texts_that_are_not_their_tokens_have_none) {
  EXPECT_EQ(stamps("你好", {}), "none");
  EXPECT_EQ(stamps("", {"你"}), "none");
  EXPECT_EQ(stamps("你好", {"你"}), "none");
  EXPECT_EQ(stamps("你", {"你", "好"}), "none");
  EXPECT_EQ(stamps("你<unk>好", {"你", "好"}), "none");
  EXPECT_EQ(stamps("hell", {"hello"}), "none");
  EXPECT_EQ(stamps("\xe4\xbd", {"你"}), "none");
}

// The page's own count, as its handleWithTimestamp has it. False: it looks beyond the list.
bool page_reads(const std::string& text, std::size_t times) {
  const auto pieces = std::regex("。|？|，|、|\\?|\\.| |,");
  std::size_t at = 0;
  for (std::sregex_token_iterator piece(text.begin(), text.end(), pieces, -1), end; piece != end; ++piece) {
    const auto word = piece->str();
    if (word.empty()) continue;
    if (at >= times) return false;
    const auto letters = inference::decode_utf8(word)->size();
    at += std::regex_match(word, std::regex("[a-zA-Z]+")) ? 1 : letters;
  }
  return true;
}

TEST(funasr_stamps, a_list_that_the_page_would_look_beyond_is_left_out) {
  struct {
    std::string text;
    std::vector<std::string> tokens;
  } const cases[] = {{"你好。", {"你", "好"}},
                     {"你好，hello world。", {"你", "好", "hello", "world"}},
                     {" It's. Ok", {"it's", "ok"}},
                     {"你hello好，你。", {"你", "hello", "好", "你"}},
                     {"你hello好。", {"你", "hello", "好"}},
                     {"8 world", {"8", "world"}}};
  int left_out = 0;
  for (const auto& c : cases) {
    const auto made = stamps_of(sentence(c.text, c.tokens));
    ASSERT_TRUE(made) << c.text;
    EXPECT_EQ(made->countable, page_reads(c.text, c.tokens.size())) << c.text;
    left_out += made->countable ? 0 : 1;
  }
  EXPECT_EQ(left_out, 2);
}

}  // namespace
}  // namespace troupe::http::tests
