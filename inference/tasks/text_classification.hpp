#pragma once
// Scores over labels, of texts and of pairs: softmax, or as config.json's problem_type and the number of labels say.
// All labels are scored; top_k only trims what is written of them.

#include "inference/tasks/task_head.hpp"

namespace troupe::inference {

task_kind text_classification();

}  // namespace troupe::inference
