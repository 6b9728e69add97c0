#include "http/ws/funasr_stamps.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "inference/speech/spoken_words.hpp"
#include "inference/speech/utf8.hpp"
#include "inference/text/unicode.hpp"

namespace troupe::http {
namespace {

char32_t lower(char32_t c) noexcept { return c >= U'A' && c <= U'Z' ? c - U'A' + U'a' : c; }

std::int64_t ms(double s) { return std::llround(s * 1000); }

// Takes the sentence's text word by word; marks stand between.
class walk {
 public:
  explicit walk(std::u32string_view text) : text_(text) {}

  // False: the text goes on with another word.
  bool take(std::u32string_view word, funasr_stamps::span spoken) {
    const auto is_next = [&] { return !rest().empty() && lower(rest().front()) == lower(word.front()); };
    while (!is_next())
      if (!pass_mark()) return false;
    const auto own = rest().substr(0, word.size());
    if (!std::equal(own.begin(), own.end(), word.begin(), word.end(),
                    [](char32_t a, char32_t b) { return lower(a) == lower(b); }))
      return false;
    at_ += own.size();
    if (!clause_.words.empty()) clause_.words += ' ';
    clause_.words += inference::encode_utf8(own);
    clause_.times.push_back(spoken);
    return true;
  }

  // False: there are more words.
  bool finish() {
    while (!rest().empty())
      if (!pass_mark()) return false;
    if (!clause_.times.empty()) close({});
    return true;
  }

  std::vector<funasr_stamps::clause> clauses;

 private:
  std::u32string_view rest() const { return text_.substr(at_); }
  bool pass_mark() {
    if (rest().empty()) return false;
    const auto c = rest().front();
    if (inference::is_set_mark(c))
      close(inference::encode_utf8({&c, 1}));
    else if (!inference::is_space(c))
      return false;
    ++at_;
    return true;
  }
  void close(std::string mark) {
    clause_.mark = std::move(mark);
    clauses.push_back(std::exchange(clause_, {}));
  }

  const std::u32string_view text_;
  std::size_t at_ = 0;
  funasr_stamps::clause clause_;
};

// As runtime/html5/static/main.js has it: pieces between marks and spaces; one of Latin letters alone counts as a word,
// any other as so many UTF-16 units; what a piece begins with is looked up.
bool countable(std::u32string_view text, std::size_t words) {
  constexpr std::u32string_view between = U"。？，、?. ,";
  std::size_t counted = 0;
  while (!text.empty()) {
    const auto piece = text.substr(0, text.find_first_of(between));
    text.remove_prefix(std::min(text.size(), piece.size() + 1));
    if (piece.empty()) continue;
    if (counted >= words) return false;
    std::size_t units = 0;
    bool latin = true;
    for (const auto c : piece) {
      units += c > 0xFFFF ? 2 : 1;
      latin = latin && lower(c) >= U'a' && lower(c) <= U'z';
    }
    counted += latin ? 1 : units;
  }
  return true;
}

}  // namespace

std::optional<funasr_stamps> stamps_of(const inference::transcript& sentence) {
  const auto words = inference::words_of(sentence.tokens);
  const auto text = inference::decode_utf8(sentence.text);
  if (words.empty() || !text) return std::nullopt;
  walk through(*text);
  for (const auto& word : words) {
    const auto letters = inference::decode_utf8(word.text);
    if (!letters || !through.take(*letters, {ms(word.begin_s), ms(word.end_s)})) return std::nullopt;
  }
  if (!through.finish()) return std::nullopt;
  return funasr_stamps{std::move(through.clauses), countable(*text, words.size())};
}

void write_stamps(json_out& json, const funasr_stamps& stamps) {
  if (stamps.countable) {
    std::string list;
    for (const auto& clause : stamps.clauses)
      for (const auto& t : clause.times)
        list += (list.empty() ? "[" : ",[") + std::to_string(t.begin_ms) + "," + std::to_string(t.end_ms) + "]";
    json.field("timestamp", "[" + list + "]");
  }
  json.key("stamp_sents").array();
  for (const auto& clause : stamps.clauses) {
    // What has no words: as the C++ server counts from the message's first clause on.
    const std::int64_t none = &clause == &stamps.clauses.front() ? -1 : 0;
    json.object()
        .field("text_seg", clause.words)
        .field("punc", clause.mark)
        .field("start", clause.times.empty() ? none : clause.times.front().begin_ms)
        .field("end", clause.times.empty() ? none : clause.times.back().end_ms);
    json.key("ts_list").array();
    for (const auto& t : clause.times) json.array().value(t.begin_ms).value(t.end_ms).end_array();
    json.end_array().end_object();
  }
  json.end_array();
}

}  // namespace troupe::http
