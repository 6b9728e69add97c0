#include "inference/speech/detokenize.hpp"

#include <random>

#include <gtest/gtest.h>

#include "tests/inference/speech/fixtures.hpp"

namespace troupe::inference {
namespace {

using namespace tests;

const std::vector<std::string> words{"<blank>", "<s>", "</s>", "你",   "好",  "7",   "hello", "world", "it's",
                                     "a",       "b",   "c",    "th@@", "ree", "x@@", "3d",    "<unk>", "é"};

std::vector<std::int32_t> ids_of(std::initializer_list<const char*> tokens) {
  std::vector<std::int32_t> ids;
  for (const std::string t : tokens)
    ids.push_back(static_cast<std::int32_t>(std::find(words.begin(), words.end(), t) - words.begin()));
  return ids;
}
std::string whole(std::initializer_list<const char*> tokens) {
  const auto all = speech_vocabulary::of(words, 3);
  detokenizer text(*all);
  auto out = text.add(ids_of(tokens));
  return out + text.finish();
}

TEST(detokenizer, writes_chinese_close_and_words_apart) {
  EXPECT_EQ(whole({}), "");
  EXPECT_EQ(whole({"你", "好", "7"}), "你好7");
  EXPECT_EQ(whole({"hello", "world"}), "hello world");
  EXPECT_EQ(whole({"hello", "你", "world", "it's"}), "hello你world it's");
  EXPECT_EQ(whole({"<s>", "你", "<unk>", "<blank>", "好", "</s>"}), "你好");
  EXPECT_EQ(whole({"é", "hello"}), "é hello");
}

// By what they are, not by how they are spelled: the reference drops blank, begin and end by their ids.
TEST(detokenizer, drops_the_first_ids_whatever_they_are_called) {
  const auto all = speech_vocabulary::of({"<blank>", "<sos>", "<eos>", "你", "<blank>", "<OOV>"}, 3);
  detokenizer text(*all);
  EXPECT_EQ(text.add(std::vector<std::int32_t>{0, 1, 3, 2, 4, 5}) + text.finish(), "你<blank>");
}

TEST(detokenizer, joins_pieces_and_runs_of_letters) {
  EXPECT_EQ(whole({"th@@", "ree", "hello"}), "three hello");
  EXPECT_EQ(whole({"x@@", "th@@", "ree"}), "xthree");
  EXPECT_EQ(whole({"a", "b", "c", "hello"}), "ABC hello");
  EXPECT_EQ(whole({"hello", "a", "你"}), "hello a你");
  EXPECT_EQ(whole({"a", "b", "你", "c"}), "AB你c");
  EXPECT_EQ(whole({"th@@", "a", "b"}), "tha b") << "the end of a word is no letter";
}

TEST(detokenizer, loses_no_piece) {
  EXPECT_EQ(whole({"hello", "th@@"}), "hello th");
  EXPECT_EQ(whole({"th@@", "你"}), "th你");
}

TEST(detokenizer, holds_back_what_the_next_token_decides) {
  const auto all = speech_vocabulary::of(words, 3);
  detokenizer text(*all);
  EXPECT_EQ(text.add(ids_of({"hello", "th@@"})), "hello");
  EXPECT_EQ(text.add({}), "");
  EXPECT_EQ(text.add(ids_of({"ree", "a"})), " three");
  EXPECT_EQ(text.add(ids_of({"b"})), " AB");
  EXPECT_EQ(text.add(ids_of({"c", "你"})), "C你");
  EXPECT_EQ(text.finish(), "");
  EXPECT_EQ(text.add(ids_of({"world"})), "world") << "it starts over";
}

TEST(detokenizer, writes_what_funasr_writes_however_ids_come) {
  const auto all = speech_vocabulary::read(fixtures() / "speech" / "paraformer_offline" / "tokens.json").value();
  const json_file file(fixtures() / "speech" / "paraformer_offline" / "texts.json");
  const auto seed = std::random_device{}();
  std::cout << "seed " << seed << '\n';
  std::mt19937 random(seed);
  std::size_t checked = 0;
  for (const auto c : file.root().get_array()) {
    std::vector<std::int32_t> ids;
    for (const auto id : c["ids"].get_array()) ids.push_back(static_cast<std::int32_t>(id.get_int64().value()));
    detokenizer text(*all);
    std::string out;
    for (std::size_t at = 0; at < ids.size();) {
      const auto count = std::min<std::size_t>(random() % 4, ids.size() - at);
      out += text.add(std::span(ids).subspan(at, count));
      at += count;
    }
    out += text.finish();
    EXPECT_EQ(out, std::string(c["text"].get_string().value()));
    ++checked;
  }
  EXPECT_GT(checked, 100U);
}

TEST(speech_vocabulary, refuses_what_is_no_list_of_texts) {
  const scratch_folder folder;
  const auto file = folder.path() / "tokens.json";
  for (const char* text : {"", "{}", "[]", "[1]", "[\"a\", null]", "[\"a\""}) {
    write_file(file, text);
    const auto read = speech_vocabulary::read(file);
    ASSERT_FALSE(read) << text;
    EXPECT_NE(read.error().message.find("tokens.json"), std::string::npos);
  }
  EXPECT_FALSE(speech_vocabulary::read(folder.path() / "absent.json"));
}

}  // namespace
}  // namespace troupe::inference
