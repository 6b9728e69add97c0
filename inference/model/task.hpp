#pragma once
// What can be asked of a model, named as Hugging Face names it, and how a request may shape the answer.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
  punctuation_restoration,   // text in, text with marks out; no name of theirs
  voice_activity_detection,  // sound in, spans of speech out
  text_to_speech,
  tensor,  // no task of theirs: numbers in, numbers out
};
std::string_view to_string(task what) noexcept;  // "text-classification", ..
// Null: no such task.
std::optional<task> parse_task(std::string_view name) noexcept;

// What makes scores of logits.
enum class score_function : std::uint8_t { none, sigmoid, softmax };
std::optional<score_function> parse_score_function(std::string_view name) noexcept;

// How tokens become entities, as transformers names it.
enum class aggregation : std::uint8_t { none, simple, first, average, max };
std::optional<aggregation> parse_aggregation(std::string_view name) noexcept;

// What a request may say of its answers: the parameters of all tasks, since a request is read before it is known which
// task a model has that is not in memory. The task refuses by name what is set and not its own
// (task_head::check). Not set: as the checkpoint says.
struct task_parameters {
  std::optional<score_function> function_to_apply;        // text-classification
  std::optional<std::uint32_t> top_k;                     // text-classification, fill-mask; at least 1
  std::optional<std::vector<std::string>> targets;        // fill-mask
  std::optional<aggregation> aggregation_strategy;        // token-classification
  std::optional<std::vector<std::string>> ignore_labels;  // token-classification
  std::optional<std::uint32_t> stride;                    // token-classification, with aggregation
  std::optional<bool> normalize;                          // feature-extraction
  std::optional<std::string> prompt_name;                 // feature-extraction
  std::optional<std::uint32_t> dimensions;                // feature-extraction; at least 1
  std::optional<bool> all_tokens;                         // feature-extraction: a vector a token, not pooled
  std::optional<bool> raw_scores;                         // text-ranking
  std::optional<bool> truncate;                           // any: false refuses a text that is too long
  std::optional<bool> truncate_left;                      // any: truncation_direction
  bool operator==(const task_parameters&) const = default;
};

// The names of the parameters that are set, as the Hugging Face form has them.
std::vector<std::string_view> names_of(const task_parameters& given);

// What is asked of the inputs of one request.
struct question {
  std::optional<inference::task> task;  // not set: the model's own
  task_parameters parameters;
};

}  // namespace troupe::inference
