#include "inference/speech/segmentation.hpp"

#include <gtest/gtest.h>

#include "tests/inference/speech/fixtures.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference {
namespace {

using tests::punctuation_fixtures;
using tests::write_file;

using words = std::vector<std::string>;

result<word_dictionary> dictionary_of(std::string_view base, std::string_view added) {
  const tests::scratch_folder folder;
  write_file(folder.path() / "dict.txt", base);
  write_file(folder.path() / "jieba_usr_dict", added);
  return word_dictionary::read(folder.path() / "dict.txt", folder.path() / "jieba_usr_dict");
}

words cut(const word_dictionary& d, std::string_view text) { return split_words(text, &d).value(); }

// What funasr and jieba make of the same texts.
TEST(segmentation, cuts_as_the_reference) {
  const auto dictionary = word_dictionary::read(punctuation_fixtures() / "segmented" / "dict.txt",
                                                punctuation_fixtures() / "segmented" / "jieba_usr_dict");
  ASSERT_TRUE(dictionary) << dictionary.error().message;
  std::size_t cases = 0;
  tests::json_file file(punctuation_fixtures() / "words.json");
  for (const auto one : file.root().get_array()) {
    const std::string text(one.at(0).get_string().value());
    EXPECT_EQ(split_words(text, nullptr).value(), tests::strings_of(one.at(1))) << text;
    EXPECT_EQ(cut(*dictionary, text), tests::strings_of(one.at(2))) << text;
    ++cases;
  }
  EXPECT_GT(cases, 150U);
}

TEST(segmentation, splits_where_python_does) {
  EXPECT_EQ(split_words("a b\u3000c\u00a0d\u2003\te\n", nullptr).value(), (words{"a", "b", "c", "d", "e"}));
  EXPECT_EQ(split_words(" \t ", nullptr).value(), words{});
  EXPECT_EQ(split_words("", nullptr).value(), words{});
  EXPECT_EQ(split_words("ab我c，9", nullptr).value(), (words{"ab", "我", "c", "，", "9"}));
}

TEST(segmentation, refuses_what_is_not_utf8) {
  const auto made = split_words("\xE6\x88", nullptr);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, error_code::unprocessable);
}

TEST(segmentation, takes_the_most_probable_way) {
  const auto d = dictionary_of("研究 10\n研究生 10\n生命 10\n命 1\n", "");
  ASSERT_TRUE(d);
  EXPECT_EQ(cut(*d, "研究生命"), (words{"研究", "生命"}));
  // Words that an English one divides are not put together.
  EXPECT_EQ(cut(*d, "研究 and 生命 研究 生"), (words{"研究", "and", "生命", "研究生"}));
}

TEST(segmentation, a_word_without_frequency_is_cut_out) {
  const auto without = dictionary_of("今天 900\n天气 900\n今 10\n", "");
  const auto with = dictionary_of("今天 900\n天气 900\n今 10\n", "今天天气\n");
  ASSERT_TRUE(without);
  ASSERT_TRUE(with);
  EXPECT_EQ(cut(*without, "今天天气"), (words{"今天", "天气"}));
  EXPECT_EQ(cut(*with, "今天天气"), (words{"今天天气"}));
}

TEST(segmentation, names_the_line_that_is_none) {
  const auto base = dictionary_of("今天 900\n天气\n", "");
  ASSERT_FALSE(base);
  EXPECT_NE(base.error().message.find("dict.txt:2"), std::string::npos) << base.error().message;
  const auto added = dictionary_of("今天 900\n", "天气 3 n\n\xff\xff 3\n");
  ASSERT_FALSE(added);
  EXPECT_NE(added.error().message.find("jieba_usr_dict:2"), std::string::npos) << added.error().message;
  const auto empty = dictionary_of("\n", "");
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, error_code::unprocessable);
  const auto huge = dictionary_of("今天 99999999999999999999\n", "");
  ASSERT_FALSE(huge);
}

}  // namespace
}  // namespace troupe::inference
