#pragma once
// Scores over labels, of texts and of pairs: softmax, or as config.json's problem_type says.

#include "inference/tasks/task_head.hpp"

namespace troupe::inference {

task_kind text_classification();

// `values` become scores, in place; softmax of a single one is sigmoid, as in transformers' pipeline.
void apply_score_function(score_function function, std::span<float> values) noexcept;

}  // namespace troupe::inference
