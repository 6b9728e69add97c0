#include "inference/speech/spoken_sentences.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <utf8proc.h>

#include "inference/speech/utf8.hpp"
#include "inference/text/unicode.hpp"

namespace troupe::inference {
namespace {

// What is said rather than set: letters, numbers and signs, in lower case. 0: it is a mark or a space.
char32_t said(char32_t c) noexcept {
  if (is_set_mark(c)) return 0;
  const auto code = static_cast<utf8proc_int32_t>(c);
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CC: return 0;
    default: return static_cast<char32_t>(utf8proc_tolower(code));
  }
}

bool ends_sentence(const std::u32string& text, std::size_t at) {
  const auto c = text[at];
  if (c == U'.') return at + 1 == text.size() || text[at + 1] == U' ';
  return c == U'。' || c == U'？' || c == U'！' || c == U'?' || c == U'!';
}

std::u32string_view without_spaces(std::u32string_view text) {
  while (!text.empty() && text.front() == U' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == U' ') text.remove_suffix(1);
  return text;
}

}  // namespace

std::vector<transcript> split_sentences(transcript whole) {
  std::vector<transcript> out;
  const auto text = decode_utf8(whole.text);
  // Each letter of the tokens, and whose it is.
  std::vector<std::pair<char32_t, std::size_t>> letters;
  for (std::size_t i = 0; i < whole.tokens.size(); ++i)
    for (const auto c : decode_utf8(whole.tokens[i].text).value_or(U""))
      if (const auto letter = said(c)) letters.emplace_back(letter, i);

  const auto stays_whole = [&] {
    out.clear();
    out.push_back(std::move(whole));
    return std::move(out);
  };
  if (!text || letters.empty()) return stays_whole();
  std::size_t begin = 0, token = 0, letter = 0;  // of the sentence; the next letter
  std::size_t begun = 0;                         // the sentence's first letter
  for (std::size_t i = 0; i < text->size(); ++i) {
    if (const auto c = said((*text)[i]); c != 0) {
      if (letter == letters.size() || letters[letter].first != c) return stays_whole();
      ++letter;
    }
    if (i + 1 != text->size() && !ends_sentence(*text, i)) continue;
    const bool last = i + 1 == text->size();
    const auto piece = encode_utf8(without_spaces(std::u32string_view(*text).substr(begin, i + 1 - begin)));
    if (letter == begun) {  // marks alone: they belong to what was before
      if (out.empty()) continue;
      out.back().text += piece;
      begin = i + 1;
      continue;
    }
    // Up to the token of the next letter, which must be a new one.
    const auto end = letter == letters.size() ? whole.tokens.size() : letters[letter].second;
    if (last ? letter != letters.size() : end == letters[letter - 1].second) return stays_whole();
    transcript one;
    one.text = piece;
    one.final = whole.final;
    one.tokens.assign(whole.tokens.begin() + static_cast<std::ptrdiff_t>(token),
                      whole.tokens.begin() + static_cast<std::ptrdiff_t>(end));
    if (!one.tokens.empty()) {
      one.begin_s = one.tokens.front().begin_s;
      one.end_s = one.tokens.back().end_s;
    }
    out.push_back(std::move(one));
    begin = i + 1;
    token = end;
    begun = letter;
  }
  if (letter != letters.size()) return stays_whole();
  return out;
}

}  // namespace troupe::inference
