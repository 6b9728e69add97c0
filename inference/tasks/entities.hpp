#pragma once
// From the labels of tokens to the entities of a text, as transformers' TokenClassificationPipeline groups them: by
// word and by the marks B- and I-. Scores that are no numbers are handled as numpy handles them.

#include <span>
#include <string>
#include <vector>

#include "inference/model/outputs.hpp"
#include "inference/model/task.hpp"
#include "inference/tasks/word_writer.hpp"

namespace troupe::inference {

// A token of the text; specials are none.
struct labelled_token {
  char_range place;
  std::uint32_t index = 0;        // in its row
  std::span<const float> scores;  // one a label, after softmax
  bool continues = false;         // goes on with the word of the token before it
};

// `pieces`: one a token. `aggregation::none`: one span a token.
std::vector<text_span> entities_of(std::span<const labelled_token> tokens, std::span<const word_piece> pieces,
                                   aggregation how, std::span<const std::string> labels, const word_writer& words);

// Of several windows of one text: of those that overlap the longest stays, of two as long the one with the higher
// score.
std::vector<text_span> without_overlaps(std::vector<text_span> found);

}  // namespace troupe::inference
