#pragma once
// The words that transformers' token classification writes of tokens: convert_tokens_to_string, in which the text's own
// characters stand for a token that the vocabulary does not have.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "inference/text/tokenizer.hpp"

namespace troupe::inference {

struct word_piece {
  std::int32_t id = 0;
  std::string unknown;  // of the unknown token: what stands in the text; else empty
};

// Refers to the tokenizer. Any thread.
class word_writer {
 public:
  // REQUIRES a tokenizer whose details are made.
  explicit word_writer(const tokenizer& tokens);

  // The token alone, marks of the vocabulary included.
  std::string token(const word_piece& piece) const;
  std::string joined(std::span<const word_piece> pieces) const;
  // Of words that were joined each for itself.
  std::string joined_words(std::span<const std::span<const word_piece>> words) const;

 private:
  const tokenizer& tokens_;
  std::string between_;  // what the decoder puts between two tokens without marks
};

}  // namespace troupe::inference
