#include "inference/tasks/word_writer.hpp"

#include <algorithm>

namespace troupe::inference {

word_writer::word_writer(const tokenizer& tokens) : tokens_(tokens) {
  const auto& s = tokens.specials();
  for (const auto& id : {s.unk, s.mask, s.sep, s.cls, s.pad}) {
    if (!id) continue;
    const std::vector<std::int32_t> twice{*id, *id};
    const auto one = tokens.join(std::span(twice).first(1)), two = tokens.join(twice);
    if (!one || !two || two->size() < 2 * one->size()) continue;
    between_ = two->substr(one->size(), two->size() - 2 * one->size());
    return;
  }
}

std::string word_writer::token(const word_piece& piece) const {
  if (!piece.unknown.empty()) return piece.unknown;
  return tokens_.token_of(piece.id).value_or("");
}

std::string word_writer::joined(std::span<const word_piece> pieces) const {
  std::vector<std::int32_t> ids;
  ids.reserve(pieces.size());
  for (const auto& piece : pieces) ids.push_back(piece.id);
  auto text = tokens_.join(ids).value_or("");
  // The decoder is given the token; what it stands for is put in its place.
  std::size_t at = 0;
  for (const auto& piece : pieces) {
    if (piece.unknown.empty()) continue;
    const auto token = tokens_.token_of(piece.id).value_or("");
    const auto found = token.empty() ? text.npos : text.find(token, at);
    if (found == text.npos) break;
    text.replace(found, token.size(), piece.unknown);
    at = found + piece.unknown.size();
  }
  return text;
}

std::string word_writer::joined_words(std::span<const std::span<const word_piece>> words) const {
  std::string text;
  // Where a mark tells what goes on with a word, words join as their tokens do.
  if (!tokens_.continuing_prefix().empty()) {
    std::vector<word_piece> all;
    for (const auto& word : words) all.insert(all.end(), word.begin(), word.end());
    return joined(all);
  }
  for (const auto& word : words) {
    if (&word != &words.front()) text += between_;
    text += joined(word);
  }
  return text;
}

}  // namespace troupe::inference
