#include "inference/speech/punctuation_rules.hpp"

#include <algorithm>
#include <cassert>
#include <string_view>

#include "inference/speech/utf8.hpp"

namespace troupe::inference {
namespace {

constexpr std::string_view none = "_", comma = "，", full_stop = "。", question_mark = "？", pause = "、";

// The place of the last sentence end among all but the last word and the first two; `found.size()`: there is none.
std::size_t last_sentence_end(std::span<const std::int32_t> found, const punctuation_marks& marks) {
  for (auto i = found.size(); i-- > 0;)
    if (i >= 2 && i + 2 <= found.size() && marks.ends_sentence(found[i])) return i;
  return found.size();
}
std::size_t last_comma(std::span<const std::int32_t> found, const punctuation_marks& marks) {
  for (auto i = found.size(); i-- > 0;)
    if (i >= 2 && i + 2 <= found.size() && marks.is_comma(found[i])) return i;
  return found.size();
}

// As Python's str.capitalize(); only ASCII has cases here.
std::string capitalized(std::string word) {
  for (std::size_t i = 0; i < word.size(); ++i) {
    auto& c = word[i];
    if (i == 0 && c >= 'a' && c <= 'z')
      c = static_cast<char>(c - 'a' + 'A');
    else if (i > 0 && c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  }
  return word;
}

// Whether the text did not end a sentence before.
bool end_sentence(std::string& text) {
  const auto last = last_character(text);
  const auto replace = [&](std::string_view by) {
    text.resize(text.size() - last.size());
    text += by;
    return true;
  };
  if (last == comma || last == pause) return replace(full_stop);
  if (last == ",") return replace(".");
  if (last == full_stop || last == question_mark || last == "." || last == "?") return false;
  text += is_ascii(last.front()) ? std::string_view(".") : full_stop;
  return true;
}

}  // namespace

punctuation_marks::punctuation_marks(std::vector<std::string> names, std::int32_t sentence_end)
    : names_(std::move(names)), sentence_end_(sentence_end) {
  assert(sentence_end >= 0 && static_cast<std::size_t>(sentence_end) < names_.size());
  for (const auto& name : names_) {
    kinds_.push_back(name == none                                 ? kind::none
                     : name == comma                              ? kind::comma
                     : name == full_stop || name == question_mark ? kind::sentence_end
                                                                  : kind::other);
    narrow_.push_back(name == comma ? "," : name == full_stop ? "." : name == question_mark ? "?" : name);
  }
}

bool punctuation_marks::has(std::string_view name) const noexcept {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

mark_windows::mark_windows(std::size_t words) : words_(words), end_(std::min(words, piece_words)) {}

void mark_windows::take(std::span<const std::int32_t> found, const punctuation_marks& marks) {
  assert(!done() && found.size() == end_ - begin_);
  std::vector<std::int32_t> answered(found.begin(), found.end());
  if (end_ < words_) {
    auto end = last_sentence_end(found, marks);
    if (end == found.size() && found.size() > forced_end_words) {
      end = last_comma(found, marks);
      if (end < found.size())
        answered[end] = marks.sentence_end();
      else if (found.size() > window_words_max)
        end = found.size() - 2;
    }
    answered.resize(end < found.size() ? end + 1 : 0);
  }
  if (!answered.empty()) sections_.push_back(begin_);
  found_.insert(found_.end(), answered.begin(), answered.end());
  begin_ += answered.size();
  end_ = std::min(end_ + piece_words, words_);
}

punctuated_text punctuate(std::span<const std::string> words, const mark_windows& windows,
                          const punctuation_marks& marks) {
  assert(windows.done() && windows.found().size() == words.size());
  punctuated_text out{{}, windows.found()};
  if (words.empty()) return out;
  const auto& sections = windows.sections();
  std::size_t next_section = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool first = next_section < sections.size() && sections[next_section] == i;
    if (first) ++next_section;
    const bool narrow = is_ascii(words[i].front());
    if (narrow && (first || is_ascii(words[i - 1].front()))) out.text += ' ';
    out.text += narrow && (first || marks.ends_sentence(out.found[i - 1])) ? capitalized(words[i]) : words[i];
    if (!marks.is_none(out.found[i])) out.text += narrow ? marks.narrow(out.found[i]) : marks.name(out.found[i]);
  }
  if (end_sentence(out.text)) out.found.back() = marks.sentence_end();
  return out;
}

punctuated_increment punctuate_increment(std::span<const std::string> words, std::size_t pending,
                                         const mark_windows& windows, const punctuation_marks& marks) {
  const auto& found = windows.found();
  assert(windows.done() && found.size() == words.size() && pending < words.size());
  punctuated_increment out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i >= pending) {
      if (i > 0 && is_ascii(words[i].front()) && is_ascii(words[i - 1].back())) out.text += ' ';
      out.text += words[i];
    }
    if (i + 1 >= pending && !marks.is_none(found[i])) out.text += marks.name(found[i]);
  }
  if (const auto last = last_character(out.text); marks.has(last)) out.text.resize(out.text.size() - last.size());
  const auto end = last_sentence_end(found, marks);
  auto kept = end < found.size() ? end + 1 : 0;
  if (words.size() - kept > mark_windows::window_words_max) kept = words.size() - 1;
  out.pending.assign(words.begin() + static_cast<std::ptrdiff_t>(kept), words.end());
  out.end_mark = marks.name(marks.ends_sentence(found.back()) ? found.back() : marks.sentence_end());
  return out;
}

}  // namespace troupe::inference
