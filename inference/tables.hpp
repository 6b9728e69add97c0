#pragma once
// What this program can load and do: one row each of a format, an architecture, a task. Adding one is a row in
// tables.cpp and the file that it names. Tests add rows of their own before the first load; not thread-safe then,
// read by any thread later.

#include <vector>

#include "inference/encoders/encoder.hpp"
#include "inference/model/format.hpp"
#include "inference/tasks/task_head.hpp"

namespace troupe::inference {

// In the order in which they are asked; added ones first.
const std::vector<format>& formats();
void add_format(format f);

const std::vector<architecture>& architectures();
void add_architecture(architecture a);

// Null: no such task is implemented. Of several the one added last.
const task_kind* find_task(task what);
void add_task(task_kind t);

}  // namespace troupe::inference
