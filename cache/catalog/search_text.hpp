#pragma once
// What is searched, and for what: both databases look for plain substrings in a text of ours, so that they cannot
// differ in what they hold for the same letter.

#include <string>
#include <string_view>
#include <vector>

namespace troupe::cache {

// Without case and compatibility forms (NFKC, case folding); control characters are spaces. REQUIRES: UTF-8.
std::string folded(std::string_view text);

// The words of a search, folded, each once, in the order of their bytes.
std::vector<std::string> search_words(std::string_view search);

// Of an offer: id, name, and the first two characters of every word in them. A word begins where letters or digits do
// and behind spaces, and each ideograph (kana, Hangul) is one. So whoever searches for a whole id finds it.
std::string search_text(std::string_view id, std::string_view name);

// What must occur in the search text where `word` is to be found: a word of three characters or more anywhere, a
// shorter one where a word begins.
std::string searched_part(std::string_view word);

}  // namespace troupe::cache
