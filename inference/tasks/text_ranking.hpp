#pragma once
// How well a text answers a query: a pair in, one score out. The score is sigmoid's, or what the checkpoint's own
// activation makes of the logit, as sentence-transformers' CrossEncoder has it; raw_scores gives the logit.

#include "inference/tasks/task_head.hpp"

namespace troupe::inference {

task_kind text_ranking();

}  // namespace troupe::inference
