#include "inference/tables.hpp"

#include <algorithm>
#include <iterator>

#include "inference/encoders/deberta.hpp"
#include "inference/encoders/families.hpp"
#include "inference/encoders/modernbert.hpp"
#include "inference/huggingface.hpp"
#include "inference/programs/torchscript.hpp"
#include "inference/speech/funasr_folder.hpp"
#include "inference/tasks/feature_extraction.hpp"
#include "inference/tasks/fill_mask.hpp"
#include "inference/tasks/text_classification.hpp"
#include "inference/tasks/text_ranking.hpp"
#include "inference/tasks/token_classification.hpp"
#include "inference/tasks/zero_shot.hpp"

namespace troupe::inference {
namespace {

std::vector<format>& all_formats() {
  static std::vector<format> rows{huggingface_format(), funasr_format(), torchscript_format()};
  return rows;
}

std::vector<architecture>& all_architectures() {
  static std::vector<architecture> rows = [] {
    std::vector<architecture> all;
    for (const auto& f : {bert(), roberta(), xlm_roberta(), camembert(), distilbert(), electra(), mpnet(), deberta_v1(),
                          deberta_v2(), modernbert(), albert()}) {
      auto classes = architectures_of(f);
      all.insert(all.end(), std::make_move_iterator(classes.begin()), std::make_move_iterator(classes.end()));
    }
    return all;
  }();
  return rows;
}

std::vector<task_kind>& all_tasks() {
  static std::vector<task_kind> rows{
      text_classification(), zero_shot_classification(), text_ranking(),       token_classification(),
      fill_mask(),           feature_extraction(),       sentence_similarity()};
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
void add_task(task_kind t) { all_tasks().insert(all_tasks().begin(), t); }

}  // namespace troupe::inference
