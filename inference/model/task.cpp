#include "inference/model/task.hpp"

#include <array>
#include <utility>

namespace troupe::inference {
namespace {

constexpr std::array<std::pair<task, std::string_view>, 14> names{
    {{task::text_classification, "text-classification"},
     {task::token_classification, "token-classification"},
     {task::feature_extraction, "feature-extraction"},
     {task::sentence_similarity, "sentence-similarity"},
     {task::text_ranking, "text-ranking"},
     {task::fill_mask, "fill-mask"},
     {task::zero_shot_classification, "zero-shot-classification"},
     {task::text_generation, "text-generation"},
     {task::image_classification, "image-classification"},
     {task::automatic_speech_recognition, "automatic-speech-recognition"},
     {task::punctuation_restoration, "punctuation-restoration"},
     {task::voice_activity_detection, "voice-activity-detection"},
     {task::text_to_speech, "text-to-speech"},
     {task::tensor, "tensor"}}};

constexpr std::array<std::pair<score_function, std::string_view>, 3> functions{
    {{score_function::none, "none"}, {score_function::sigmoid, "sigmoid"}, {score_function::softmax, "softmax"}}};
constexpr std::array<std::pair<aggregation, std::string_view>, 5> aggregations{{{aggregation::none, "none"},
                                                                                {aggregation::simple, "simple"},
                                                                                {aggregation::first, "first"},
                                                                                {aggregation::average, "average"},
                                                                                {aggregation::max, "max"}}};

template <class Table>
auto value_of(const Table& table, std::string_view name) noexcept -> std::optional<decltype(table[0].first)> {
  for (const auto& [value, known] : table)
    if (known == name) return value;
  return std::nullopt;
}

}  // namespace

std::string_view to_string(task what) noexcept {
  for (const auto& [value, name] : names)
    if (value == what) return name;
  return "?";
}

std::optional<task> parse_task(std::string_view name) noexcept { return value_of(names, name); }
std::optional<score_function> parse_score_function(std::string_view name) noexcept { return value_of(functions, name); }
std::optional<aggregation> parse_aggregation(std::string_view name) noexcept { return value_of(aggregations, name); }

std::vector<std::string_view> names_of(const task_parameters& given) {
  std::vector<std::string_view> out;
  const auto add = [&](bool set, std::string_view name) {
    if (set) out.push_back(name);
  };
  add(given.function_to_apply.has_value(), "function_to_apply");
  add(given.top_k.has_value(), "top_k");
  add(given.targets.has_value(), "targets");
  add(given.aggregation_strategy.has_value(), "aggregation_strategy");
  add(given.ignore_labels.has_value(), "ignore_labels");
  add(given.stride.has_value(), "stride");
  add(given.normalize.has_value(), "normalize");
  add(given.prompt_name.has_value(), "prompt_name");
  add(given.dimensions.has_value(), "dimensions");
  add(given.all_tokens.has_value(), "all_tokens");
  add(given.raw_scores.has_value(), "raw_scores");
  add(given.truncate.has_value(), "truncate");
  add(given.truncate_left.has_value(), "truncation_direction");
  return out;
}

}  // namespace troupe::inference
