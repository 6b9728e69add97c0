#pragma once
// What may stand in place of the masks of a text, best first: candidates for each mask, over the vocabulary or over
// `targets`. As transformers' FillMaskPipeline has it.

#include "inference/tasks/task_head.hpp"

namespace troupe::inference {

task_kind fill_mask();

}  // namespace troupe::inference
