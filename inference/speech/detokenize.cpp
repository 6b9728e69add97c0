#include "inference/speech/detokenize.hpp"

#include <algorithm>

#include <simdjson.h>
#include <utf8proc.h>

#include "inference/files/files.hpp"
#include "inference/text/unicode.hpp"

namespace troupe::inference {
namespace {

constexpr std::uint64_t file_bytes_max = 32U << 20U;
constexpr std::size_t tokens_max = 1U << 20U;
constexpr std::string_view joins_next = "@@";

// What FunASR writes without spaces.
bool is_written_close(char32_t c) noexcept {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= '0' && c <= '9') || c == '@';
}

bool is_letter(char32_t c) noexcept {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return true;
    default: return false;
  }
}

bool is_ascii_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char capital(char c) noexcept { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::string without_joins(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size();) {
    if (token.substr(i).starts_with(joins_next)) {
      i += joins_next.size();
    } else {
      out += token[i++];
    }
  }
  return out;
}

}  // namespace

std::shared_ptr<const speech_vocabulary> speech_vocabulary::of(std::vector<std::string> tokens,
                                                               std::size_t special_ids) {
  auto made = std::make_shared<speech_vocabulary>();
  made->tokens_ = std::move(tokens);
  made->kinds_.reserve(made->tokens_.size());
  for (const auto& t : made->tokens_) {
    const auto text = decode_utf8(t).value_or(U"");
    auto what = kind::other;
    // These the reference drops by their names.
    if (made->kinds_.size() < special_ids || t.empty() || t == "<s>" || t == "</s>" || t == "<unk>" || t == "<OOV>")
      what = kind::special;
    else if (!text.empty() && std::all_of(text.begin(), text.end(), is_written_close))
      what = kind::chinese;
    else if (t.find(joins_next) != t.npos)
      what = kind::piece;
    else if (t.size() == 1 && is_ascii_letter(t.front()))
      what = kind::letter;
    else if (std::all_of(text.begin(), text.end(),
                         [](char32_t c) { return c == '\'' || (is_letter(c) && !is_written_close(c)); }))
      what = kind::word;
    made->kinds_.push_back(what);
  }
  return made;
}

result<std::shared_ptr<const speech_vocabulary>> speech_vocabulary::read(const std::filesystem::path& tokens_json) {
  const auto text = read_small_file(tokens_json, file_bytes_max);
  if (!text) return tl::unexpected(text.error());
  const auto bad = [&](const std::string& why) {
    return fail(error_code::unprocessable, tokens_json.string() + " " + why, "a JSON list of texts, by their ids");
  };
  simdjson::dom::parser parser;
  simdjson::dom::array list;
  if (parser.parse(*text).get(list)) return bad("is no JSON list");
  std::vector<std::string> tokens;
  for (const auto item : list) {
    std::string_view token;
    if (item.get(token)) return bad("has no text at " + std::to_string(tokens.size()));
    if (tokens.size() == tokens_max) return bad("holds too many tokens");
    tokens.emplace_back(token);
  }
  if (tokens.empty()) return bad("is empty");
  constexpr std::size_t blank_begin_end = 3;  // speech_config.cpp takes no other ids for them
  return of(std::move(tokens), blank_begin_end);
}

std::uint64_t speech_vocabulary::memory_bytes() const noexcept {
  std::uint64_t bytes = kinds_.size() + tokens_.size() * sizeof(std::string);
  for (const auto& t : tokens_) bytes += t.capacity() > 15 ? t.capacity() : 0;  // short ones lie in the string
  return bytes;
}

void detokenizer::word(std::string_view text, std::string& out) {
  if (last_ == last_was::word || last_ == last_was::run) out += ' ';
  out += text;
  last_ = last_was::word;
}

void detokenizer::release_letter(std::string& out) {
  if (letter_.empty()) return;
  word(std::exchange(letter_, {}), out);
}

void detokenizer::release_piece(std::string& out) {
  if (piece_.empty()) return;
  word(std::exchange(piece_, {}), out);
}

std::string detokenizer::add(std::span<const std::int32_t> ids) {
  using kind = speech_vocabulary::kind;
  std::string out;
  for (const auto id : ids) {
    const auto& text = tokens_->text_of(id);
    const auto what = tokens_->kind_of(id);
    // A whole word that pieces begin is no single letter.
    if (what == kind::letter && piece_.empty()) {
      if (last_ == last_was::run) {
        out += capital(text.front());
      } else if (!letter_.empty()) {
        word({}, out);
        out += capital(std::exchange(letter_, {}).front());
        out += capital(text.front());
        last_ = last_was::run;
      } else {
        letter_ = text;
      }
      continue;
    }
    if (what == kind::special) continue;
    release_letter(out);
    if (what == kind::piece) {
      piece_ += without_joins(text);
    } else if (what == kind::word || what == kind::letter) {
      word(std::exchange(piece_, {}) + text, out);
    } else {
      release_piece(out);
      if (what == kind::other && (last_ == last_was::word || last_ == last_was::run)) out += ' ';
      out += text;
      last_ = what == kind::chinese ? last_was::chinese : last_was::other;
    }
  }
  return out;
}

std::string detokenizer::finish() {
  std::string out;
  release_letter(out);
  release_piece(out);
  last_ = last_was::nothing;
  return out;
}

}  // namespace troupe::inference
