#include "http/ws/sentences.hpp"

#include "http/json/text.hpp"

namespace troupe::http {
namespace {

bool is_ascii(char c) noexcept { return static_cast<unsigned char>(c) < 0x80; }

}  // namespace

void append_sentence(std::string& to, std::string_view sentence) {
  sentence = trim(sentence);
  if (sentence.empty()) return;
  if (!to.empty() && is_ascii(to.back()) && is_ascii(sentence.front())) to += ' ';
  to += sentence;
}

}  // namespace troupe::http
