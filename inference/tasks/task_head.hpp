#pragma once
// A task: what it asks of a network, and what it makes of the numbers. One file a task.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "inference/encoders/encoder.hpp"
#include "inference/model/artifact.hpp"
#include "inference/model/outputs.hpp"

namespace troupe::inference {

// Of one loaded model. Immutable; any thread.
class task_head {
 public:
  virtual ~task_head() = default;
  virtual network_output wants() const noexcept = 0;
  // What its answers name; empty: nothing.
  virtual const std::vector<std::string>& labels() const noexcept = 0;
  // What an operator should know; empty: nothing.
  virtual const std::string& notes() const noexcept = 0;
  virtual bool takes(const task_parameters& parameters) const noexcept = 0;
  // `lines`: one row's, each `width` wide. REQUIRES parameters that it takes.
  virtual output make(std::span<const float> lines, std::int64_t width, const task_parameters& parameters) const = 0;
};

// A row of the table of tasks (inference/tables.hpp).
struct task_kind {
  task what;
  // From config.json, the registry's word, and what the checkpoint holds. unprocessable: they do not fit.
  result<std::unique_ptr<const task_head>> (*make)(const model_json& config, const artifact_spec& spec,
                                                   const weight_plan& plan) = nullptr;
};

}  // namespace troupe::inference
