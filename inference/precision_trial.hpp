#pragma once
// Measures one network against another of the same model: how fast, and how much its answers to probe texts differ.

#include <memory>
#include <vector>

#include "inference/encoders/encoder.hpp"
#include "inference/model/model.hpp"
#include "inference/tasks/task_head.hpp"

namespace troupe::inference {

// Probe texts as the model's own task reads them.
class precision_trial {
 public:
  // `head`: the model's own. Texts that it cannot read are left out.
  precision_trial(const task_head& head, const text_reader& reader);

  // What the network answers, and how fast: some tenths of a second. Throws std::exception. On a loader's thread.
  struct outcome {
    double texts_per_s = 0;
    std::vector<std::vector<float>> answers;  // a row each
  };
  outcome run(const encoder& network) const;

  // `base`: fp32's.
  precision_figures compare(std::string precision, const outcome& base, const outcome& other) const;

 private:
  const task_head& head_;
  std::vector<std::unique_ptr<prepared_text>> probes_;
  std::vector<std::int32_t> timed_ids_;
};

}  // namespace troupe::inference
