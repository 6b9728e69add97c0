#include "inference/tasks/text_rules.hpp"

#include <algorithm>

#include "inference/text/unicode.hpp"

namespace troupe::inference {
namespace {

void append_utf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr unsigned lead[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(lead[more] | c >> (6 * more));
  for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80U | (c >> (6 * i) & 0x3FU));
}

void append_lower_case(std::string_view text, std::string& out) {
  const auto characters = decode_utf8(text);
  if (!characters) {
    out += text;
    return;
  }
  std::u32string lower;
  lower.reserve(characters->size());
  for (const auto c : *characters) append_lower(c, lower);
  for (const auto c : lower) append_utf8(c, out);
}

}  // namespace

result<std::string_view> text_rules::prompt(const std::optional<std::string>& name) const {
  if (!name) return default_prompt;
  const auto found = std::find_if(prompts.begin(), prompts.end(), [&](const auto& p) { return p.first == *name; });
  if (found != prompts.end()) return found->second;
  std::string known;
  for (const auto& [one, text] : prompts) known.append(known.empty() ? "" : ", ").append(one);
  return fail(error_code::bad_request,
              "'prompt_name' is '" + name->substr(0, 100) + "', which this model does not have",
              known.empty() ? "it has no prompts" : "it has " + known);
}

// As the Lowercase normalizer that sentence-transformers puts in front: character by character, after the special
// tokens were found.
std::string text_rules::applied(std::string_view prompt, std::string_view text) const {
  std::string whole(prompt);
  whole += text;
  if (!lower_case) return whole;
  std::string out;
  out.reserve(whole.size());
  for (std::string_view rest = whole; !rest.empty();) {
    std::size_t at = rest.npos;
    std::string_view token;
    for (const auto& one : kept) {
      const auto place = rest.find(one);
      if (place < at || (place == at && place != rest.npos && one.size() > token.size())) at = place, token = one;
    }
    append_lower_case(rest.substr(0, at), out);
    if (at == rest.npos) break;
    out += token;
    rest.remove_prefix(at + token.size());
  }
  return out;
}

}  // namespace troupe::inference
