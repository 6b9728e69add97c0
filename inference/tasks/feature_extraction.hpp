#pragma once
// Vectors of texts, or of their tokens, as sentence-transformers makes them: prompts in front, then what modules.json
// says (sentence_modules.hpp); of a bare encoder the mean of all tokens. Sentence similarity is made of the same
// vectors by those who answer it.

#include "inference/tasks/task_head.hpp"

namespace troupe::inference {

task_kind feature_extraction();
task_kind sentence_similarity();

// Bytes that the heads of both keep between them, by the settings of a folder's modules. unprocessable: as making them.
result<std::uint64_t> vectors_memory(const std::filesystem::path& folder, std::int64_t hidden_size,
                                     const tokenizer& tokens);

}  // namespace troupe::inference
