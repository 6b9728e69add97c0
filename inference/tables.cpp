#include "inference/tables.hpp"

#include <algorithm>

#include "inference/encoders/bert_config.hpp"
#include "inference/huggingface.hpp"
#include "inference/programs/torchscript.hpp"
#include "inference/tasks/text_classification.hpp"

namespace troupe::inference {
namespace {

std::vector<format>& all_formats() {
  static std::vector<format> rows{huggingface_format(), torchscript_format()};
  return rows;
}

std::vector<architecture>& all_architectures() {
  static std::vector<architecture> rows{bert_for_sequence_classification(), distilbert_for_sequence_classification()};
  return rows;
}

std::vector<task_kind>& all_tasks() {
  static std::vector<task_kind> rows{text_classification()};
  return rows;
}

}  // namespace

const std::vector<format>& formats() { return all_formats(); }
void add_format(format f) { all_formats().insert(all_formats().begin(), std::move(f)); }

const std::vector<architecture>& architectures() { return all_architectures(); }
void add_architecture(architecture a) { all_architectures().push_back(std::move(a)); }

const task_kind* find_task(task what) {
  const auto& rows = all_tasks();
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const task_kind& t) { return t.what == what; });
  return found == rows.end() ? nullptr : &*found;
}
void add_task(task_kind t) { all_tasks().push_back(t); }

}  // namespace troupe::inference
