#include "http/json/sentences.hpp"

#include "http/json/text.hpp"
#include "inference/speech/utf8.hpp"

namespace troupe::http {
namespace {

// A Chinese character, or a full-width mark; by the first byte.
bool is_wide(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character.front());
  return (lead >= 0xE3 && lead <= 0xE9) || lead == 0xEF;
}

}  // namespace

std::string_view between(std::string_view before, std::string_view after) noexcept {
  if (before.empty() || after.empty() || after.front() == ' ' || before.back() == ' ') return "";
  return is_wide(inference::last_character(before)) || is_wide(after) ? "" : " ";
}

void append_sentence(std::string& to, std::string_view sentence) {
  sentence = trim(sentence);
  to += between(to, sentence);
  to += sentence;
}

}  // namespace troupe::http
