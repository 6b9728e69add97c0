#include "cache/catalog/search_text.hpp"

#include <gmock/gmock.h>

namespace troupe::cache {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

bool finds(const std::string& word, const std::string& id, const std::string& name = {}) {
  for (const auto& w : search_words(word))
    if (search_text(id, name.empty() ? id : name).find(searched_part(w)) == std::string::npos) return false;
  return true;
}

TEST(SearchText, FoldsCaseAndForms) {
  EXPECT_EQ(folded("GPT-4o"), "gpt-4o");
  EXPECT_EQ(folded("STRA\xC3\x9F"
                   "E"),
            "strasse");
  EXPECT_EQ(folded("\xEF\xBC\xA7\xEF\xBC\xB0\xEF\xBC\xB4"), "gpt");  // full width
  EXPECT_EQ(folded("e\xCC\x81"), "\xC3\xA9");                        // composed
  EXPECT_EQ(folded("a\tb\x01"
                   "c\xC2\x85"
                   "d"),
            "a b c d");
  EXPECT_EQ(folded("\xEF\xBF\xBE"), "\xEF\xBF\xBD");
  EXPECT_EQ(folded(""), "");
}

TEST(SearchText, WordsOnceEachInOrder) {
  EXPECT_THAT(search_words(" b  A b\ta\xE3\x80\x80"
                           "c "),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(search_words(" \n "), IsEmpty());
}

TEST(SearchText, LongWordsAnywhereShortOnesWhereWordsBegin) {
  EXPECT_TRUE(finds("lama-3", "meta/llama-3"));
  EXPECT_FALSE(finds("la", "meta/llama-3"));
  EXPECT_TRUE(finds("ll", "meta/llama-3"));
  EXPECT_TRUE(finds("3", "meta/llama-3"));
  EXPECT_TRUE(finds("4-", "gpt-4-turbo"));
  EXPECT_FALSE(finds("-4", "gpt-4-turbo"));
  EXPECT_TRUE(finds("na", "id", "the name"));
  EXPECT_FALSE(finds("idname", "id", "name"));  // what stands between them is no text
  EXPECT_TRUE(finds("\xE4\xB9\x89", "\xE9\x80\x9A\xE4\xB9\x89"));
}

TEST(SearchText, OneCharacterOfAnySize) {
  EXPECT_TRUE(finds("x", "x"));
  EXPECT_TRUE(finds("\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80 smile"));
  EXPECT_FALSE(finds("s",
                     "\xF0\x9F\x98\x80"
                     "xs"));
}

}  // namespace
}  // namespace troupe::cache
