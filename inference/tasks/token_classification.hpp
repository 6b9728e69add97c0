#pragma once
// The pieces of a text that have a label: names, places, parts of speech. A long text is cut, or with `stride` read in
// windows that overlap. Entities are grouped as `aggregation_strategy` says; "simple" where it says nothing.

#include "inference/tasks/task_head.hpp"

namespace troupe::inference {

task_kind token_classification();

}  // namespace troupe::inference
