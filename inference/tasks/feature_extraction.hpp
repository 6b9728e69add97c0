#pragma once
// Vectors of texts, or of their tokens, as sentence-transformers makes them: prompts in front, then what modules.json
// says (sentence_modules.hpp); of a bare encoder the mean of all tokens. Sentence similarity is made of the same
// vectors by those who answer it.

#include "inference/tasks/task_head.hpp"

namespace troupe::inference {

task_kind feature_extraction();
task_kind sentence_similarity();

}  // namespace troupe::inference
