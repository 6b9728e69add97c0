#pragma once
// Any labels, asked of a model of natural language inference: each is put into a hypothesis, and the text is the
// premise. One item is one pair; it gives label_scores of two logits, contradiction and entailment. What all items of
// a text say together is zero_shot_scores, as transformers' ZeroShotClassificationPipeline has it.

#include <span>
#include <vector>

#include "inference/tasks/task_head.hpp"

namespace troupe::inference {

task_kind zero_shot_classification();

// A score a candidate, in their order. `multi_label`: each for itself, contradiction against entailment; so is a lone
// candidate's. Else they sum to 1. REQUIRES two values an item.
std::vector<float> zero_shot_scores(std::span<const label_scores> candidates, bool multi_label);

}  // namespace troupe::inference
