#pragma once
// Sentences and their words, as protocols write them that know neither pieces of words nor the blanks between
// sentences. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "inference/model/outputs.hpp"

namespace troupe::http {

struct spoken_word {
  std::string text;
  double begin_s = 0, end_s = 0;  // from the begin of the sound
};

// Tokens as the vocabulary has them; a piece ("xx@@") and what it joins are one word.
std::vector<spoken_word> words_of(const std::vector<inference::spoken_token>& tokens);

// What is said after what was said before: with a blank between where both are written with blanks.
void append_sentence(std::string& to, std::string_view sentence);

}  // namespace troupe::http
