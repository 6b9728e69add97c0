#pragma once
// Tokens joined into words, with the words' times. Pure; no Torch types.

#include <span>
#include <string>
#include <vector>

#include "inference/model/outputs.hpp"

namespace troupe::inference {

struct spoken_word {
  std::string text;               // as the detokenizer writes it, without spaces
  double begin_s = 0, end_s = 0;  // of its first token's begin, and its last one's end
};

// As detokenize.hpp joins them: "xx@@" with what it begins, a run of single letters in capitals; a Chinese character is
// a word of its own. Special tokens are none.
std::vector<spoken_word> words_of(std::span<const spoken_token> tokens);

}  // namespace troupe::inference
