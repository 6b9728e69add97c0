#pragma once
// What the numbers of a head are called: the registry's names, else those of config.json as transformers reads them
// (id2label, label2id, num_labels), else LABEL_0, LABEL_1, ..

#include <string>
#include <vector>

#include "inference/tasks/task_head.hpp"

namespace troupe::inference {

struct label_names {
  std::vector<std::string> names;  // one a number of the head
  std::string notes;               // what was concluded, not read; empty: nothing
};

// unprocessable: what is said does not fit the head, or one another; told with its place.
result<label_names> read_labels(const head_source& from);

// unprocessable: two are the same, where answers name a score by its label.
result<void> check_told_apart(const std::vector<std::string>& names);

}  // namespace troupe::inference
