#include "http/ws/spoken_words.hpp"

#include "http/json/text.hpp"

namespace troupe::http {
namespace {

constexpr std::string_view joins_next = "@@";

bool is_ascii(char c) noexcept { return static_cast<unsigned char>(c) < 0x80; }

}  // namespace

std::vector<spoken_word> words_of(const std::vector<inference::spoken_token>& tokens) {
  std::vector<spoken_word> out;
  bool open = false;  // the last word is a piece
  for (const auto& token : tokens) {
    std::string_view text = token.text;
    const bool piece = text.ends_with(joins_next);
    if (piece) text.remove_suffix(joins_next.size());
    if (open && !text.empty() && is_ascii(text.front())) {
      out.back().text += text;
      out.back().end_s = token.end_s;
    } else if (!text.empty()) {
      out.push_back({std::string(text), token.begin_s, token.end_s});
    }
    open = piece && !out.empty();
  }
  return out;
}

void append_sentence(std::string& to, std::string_view sentence) {
  sentence = trim(sentence);
  if (sentence.empty()) return;
  if (!to.empty() && is_ascii(to.back()) && is_ascii(sentence.front())) to += ' ';
  to += sentence;
}

}  // namespace troupe::http
