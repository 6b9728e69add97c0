#pragma once
// What can be asked of a model, named as Hugging Face names it, and how a request may shape the answer.

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

namespace troupe::inference {

enum class task : std::uint8_t {
  text_classification,
  token_classification,
  feature_extraction,
  sentence_similarity,
  text_ranking,
  fill_mask,
  zero_shot_classification,
  text_generation,
  image_classification,
  automatic_speech_recognition,
  text_to_speech,
  tensor,  // no task of theirs: numbers in, numbers out
};
std::string_view to_string(task what) noexcept;  // "text-classification", ..
// Null: no such task.
std::optional<task> parse_task(std::string_view name) noexcept;

// What makes scores of logits.
enum class score_function : std::uint8_t { none, sigmoid, softmax };

// Typed parameters, one alternative a task that has any. What is not set follows the checkpoint.
struct text_classification_parameters {
  std::optional<score_function> function_to_apply;
  bool operator==(const text_classification_parameters&) const = default;
};
using task_parameters = std::variant<std::monostate, text_classification_parameters>;

// What is asked of the inputs of one request.
struct question {
  std::optional<inference::task> task;  // not set: the model's own
  task_parameters parameters;           // monostate, or the task's own alternative
};

}  // namespace troupe::inference
