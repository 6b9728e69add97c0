#include "cache/catalog/search_text.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

#include <utf8proc.h>

namespace troupe::cache {
namespace {

// Between id and name, and before the beginnings of words: no text has them, as folding makes spaces of them. Twice, so
// that a beginning of one character has three, too, as many as an index of trigrams wants.
constexpr char boundary = '\x01';
constexpr std::string_view beginning = "\x02\x02";
constexpr std::size_t trigram = 3;

struct code_point {
  utf8proc_int32_t value = 0;
  std::size_t bytes = 0;  // 0: the text ends here
};

code_point at(std::string_view text, std::size_t offset) noexcept {
  utf8proc_int32_t value = -1;
  const auto* from = reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + offset;
  const auto n = utf8proc_iterate(from, static_cast<utf8proc_ssize_t>(text.size() - offset), &value);
  if (offset < text.size() && n <= 0) return {0xFFFD, 1};
  return {value, n <= 0 ? 0 : static_cast<std::size_t>(n)};
}

bool is_word_part(utf8proc_int32_t c) noexcept {
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return true;
    default: return false;
  }
}

// Written without spaces between words.
bool is_ideograph(utf8proc_int32_t c) noexcept {
  return (c >= 0x2E80 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7FF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x20000 && c <= 0x3FFFF);
}

void find_beginnings(std::string_view text, std::set<std::string_view>& out) {
  bool inside = false, apart = true;
  for (std::size_t i = 0; i < text.size();) {
    const auto first = at(text, i);
    const bool part = is_word_part(first.value), space = first.value == ' ';
    if ((apart && !space) || (part && !inside) || is_ideograph(first.value))
      out.insert(text.substr(i, first.bytes + at(text, i + first.bytes).bytes));
    inside = part && !is_ideograph(first.value);
    apart = space;
    i += first.bytes;
  }
}

bool is_ascii(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; });
}

std::string fold_any(std::string_view text) {
  utf8proc_uint8_t* made = nullptr;
  const auto n = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                              static_cast<utf8proc_ssize_t>(text.size()), &made,
                              static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT |
                                                             UTF8PROC_CASEFOLD | UTF8PROC_IGNORE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owned(made, &std::free);
  if (n < 0) return std::string(text);
  return {reinterpret_cast<const char*>(made), static_cast<std::size_t>(n)};
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

}  // namespace

std::string folded(std::string_view text) {
  const auto plain = is_ascii(text) ? lower_ascii(text) : fold_any(text);
  std::string out;
  out.reserve(plain.size());
  for (std::size_t i = 0; i < plain.size();) {
    const auto c = at(plain, i);
    if (c.value < 0x20 || (c.value >= 0x7F && c.value < 0xA0)) {
      out += ' ';
    } else if (c.value == 0xFFFE || c.value == 0xFFFF) {  // FTS5 takes them for this one
      out += "\uFFFD";
    } else {
      out.append(plain, i, c.bytes);
    }
    i += c.bytes;
  }
  return out;
}

std::vector<std::string> search_words(std::string_view search) {
  const auto text = folded(search);
  std::set<std::string> words;
  for (std::size_t i = 0; i < text.size();) {
    const auto begin = text.find_first_not_of(' ', i);
    if (begin == text.npos) break;
    i = std::min(text.find(' ', begin), text.size());
    words.insert(text.substr(begin, i - begin));
  }
  return {words.begin(), words.end()};
}

std::string search_text(std::string_view id, std::string_view name) {
  const auto a = folded(id), b = name == id ? std::string() : folded(name);
  std::set<std::string_view> beginnings;
  find_beginnings(a, beginnings);
  find_beginnings(b, beginnings);
  std::string out = a + boundary + b + boundary;
  for (const auto& text : beginnings) out.append(beginning).append(text);
  return out;
}

std::string searched_part(std::string_view word) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < word.size() && characters < trigram; ++characters) i += at(word, i).bytes;
  if (characters >= trigram) return std::string(word);
  return std::string(beginning.substr(characters - 1)) + std::string(word);
}

}  // namespace troupe::cache
