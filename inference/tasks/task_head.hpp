#pragma once
// A task: how an item becomes rows of tokens, what it asks of a network, and what it makes of the numbers. One file a
// task.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inference/encoders/encoder.hpp"
#include "inference/model/artifact.hpp"
#include "inference/model/model.hpp"
#include "inference/tasks/text_reader.hpp"

namespace troupe::inference {

class task_head;

// An item ready for the network: one row, or several where a long text is read in windows.
struct prepared_text final : prepared {
  const task_head* head = nullptr;  // the model's
  task_parameters parameters;
  std::string text;               // where the answer is cut from it; else empty
  std::vector<text_window> rows;  // at least one
};

// What the network said of an item: for each of its rows the lines, `width` numbers each.
struct network_answer {
  std::vector<std::span<const float>> rows;
  std::int64_t width = 0;
};

// Of one loaded model. Immutable; any thread.
class task_head {
 public:
  virtual ~task_head() = default;
  virtual network_output wants() const noexcept = 0;
  // What its answers name; empty: nothing.
  virtual const std::vector<std::string>& labels() const noexcept = 0;
  // What an operator should know; empty: nothing.
  virtual const std::string& notes() const noexcept = 0;
  // bad_request: names a parameter that is not the task's, or a value that it cannot have.
  virtual result<void> check(const task_parameters& given) const = 0;
  // Fills text and rows. unprocessable: another kind of input than the task takes, or one that it cannot use; told
  // with the kind that it takes. REQUIRES parameters that were checked.
  virtual result<void> read(const input& in, const text_reader& reader, prepared_text& out) const = 0;
  // The text that read() makes tokens of: with its prompt, in lower case where the folder says so. REQUIRES parameters
  // that were checked.
  virtual std::string text_of(std::string_view text, const task_parameters&) const { return std::string(text); }
  // REQUIRES an item that this head read.
  virtual output make(const prepared_text& in, const network_answer& given) const = 0;
  // Private bytes beside the network's (a projection of its own). What heads share is counted by one of them.
  virtual std::uint64_t memory_bytes() const noexcept { return 0; }
};

// bad_request naming the first parameter that is set and not among `own` (truncate and truncation_direction are every
// task's).
result<void> check_names(task what, const task_parameters& given, std::initializer_list<std::string_view> own);

class sentence_modules;

// What heads of one model share: of the first that needs it, which counts it as its own.
struct shared_parts {
  std::shared_ptr<const sentence_modules> modules;  // of vectors
};

// What a head is made of.
struct head_source {
  const model_json& config;  // config.json
  const artifact_spec& spec;
  const weight_plan& plan;
  const encoder_shape& shape;
  const tokenizer& tokens;
  shared_parts* shared = nullptr;  // with the model's other heads; null: with none
};

// A row of the table of tasks (inference/tables.hpp).
struct task_kind {
  task what;
  // Whether a checkpoint whose class can do it does it without being told by the registry; null: always.
  bool (*applies)(const head_source& from) = nullptr;
  // unprocessable: the registry's word, config.json and the checkpoint do not fit.
  result<std::unique_ptr<const task_head>> (*make)(const head_source& from) = nullptr;
};

}  // namespace troupe::inference
