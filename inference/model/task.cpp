#include "inference/model/task.hpp"

#include <array>
#include <utility>

namespace troupe::inference {
namespace {

constexpr std::array<std::pair<task, std::string_view>, 12> names{
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
     {task::text_to_speech, "text-to-speech"},
     {task::tensor, "tensor"}}};

}  // namespace

std::string_view to_string(task what) noexcept {
  for (const auto& [value, name] : names)
    if (value == what) return name;
  return "?";
}

std::optional<task> parse_task(std::string_view name) noexcept {
  for (const auto& [value, known] : names)
    if (known == name) return value;
  return std::nullopt;
}

}  // namespace troupe::inference
