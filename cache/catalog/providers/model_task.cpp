#include "cache/catalog/providers/model_task.hpp"

#include <algorithm>
#include <iterator>

namespace troupe::cache {
namespace {

constexpr std::size_t tag_bytes_max = 64;

// The hub's pipeline tags, sorted.
constexpr std::string_view hub_tasks[] = {
    "any-to-any",
    "audio-classification",
    "audio-text-to-text",
    "audio-to-audio",
    "automatic-speech-recognition",
    "depth-estimation",
    "document-question-answering",
    "feature-extraction",
    "fill-mask",
    "graph-ml",
    "image-classification",
    "image-feature-extraction",
    "image-segmentation",
    "image-text-to-image",
    "image-text-to-text",
    "image-text-to-video",
    "image-to-3d",
    "image-to-image",
    "image-to-text",
    "image-to-video",
    "keypoint-detection",
    "mask-generation",
    "multiple-choice",
    "object-detection",
    "question-answering",
    "reinforcement-learning",
    "robotics",
    "sentence-similarity",
    "summarization",
    "table-question-answering",
    "table-to-text",
    "tabular-classification",
    "tabular-regression",
    "tabular-to-text",
    "text-classification",
    "text-generation",
    "text-ranking",
    "text-retrieval",
    "text-to-3d",
    "text-to-audio",
    "text-to-image",
    "text-to-speech",
    "text-to-video",
    "text2text-generation",
    "time-series-forecasting",
    "token-classification",
    "translation",
    "unconditional-image-generation",
    "video-classification",
    "video-text-to-text",
    "video-to-video",
    "visual-document-retrieval",
    "visual-question-answering",
    "voice-activity-detection",
    "zero-shot-classification",
    "zero-shot-image-classification",
    "zero-shot-object-detection",
};
static_assert(std::is_sorted(std::begin(hub_tasks), std::end(hub_tasks)));

struct other_word {
  std::string_view word, task;
};
// Together, LM Studio, Vercel. Left out is what means several tasks: "audio", "moderation", "video", "base", "model".
constexpr other_word other_words[] = {
    {"chat", "text-generation"},         {"code", "text-generation"},
    {"embedding", "feature-extraction"}, {"embeddings", "feature-extraction"},
    {"image", "text-to-image"},          {"language", "text-generation"},
    {"llm", "text-generation"},          {"rerank", "text-ranking"},
    {"reranker", "text-ranking"},        {"transcribe", "automatic-speech-recognition"},
    {"vlm", "image-text-to-text"},
};

std::string_view known_task(std::string_view word) {
  if (std::binary_search(std::begin(hub_tasks), std::end(hub_tasks), word)) return word;
  for (const auto& [other, task] : other_words)
    if (word == other) return task;
  return {};
}

bool has_form_of_tag(std::string_view word) {
  return !word.empty() && word.size() <= tag_bytes_max && word.front() != '-' &&
         std::all_of(word.begin(), word.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

// Only what text (files are read as such) and images go into.
std::string_view modality_task(std::string_view modality) {
  const auto arrow = modality.find("->");
  if (arrow == modality.npos) return {};
  auto in = modality.substr(0, arrow);
  const auto out = modality.substr(arrow + 2);
  bool text = false, image = false;
  while (!in.empty()) {
    const auto word = in.substr(0, in.find('+'));
    in.remove_prefix(std::min(in.size(), word.size() + 1));
    text |= word == "text";
    image |= word == "image";
    if (word != "text" && word != "image" && word != "file") return {};
  }
  if (!text) return {};
  if (out == "text") return image ? "image-text-to-text" : "text-generation";
  if (out == "image") return image ? "image-text-to-image" : "text-to-image";
  if (out == "embeddings" && !image) return "feature-extraction";
  return {};
}

}  // namespace

std::string task_of(const task_words& words) {
  if (has_form_of_tag(words.pipeline_tag)) return std::string(words.pipeline_tag);
  for (const auto task : {known_task(words.task), modality_task(words.modality), known_task(words.type)})
    if (!task.empty()) return std::string(task);
  return {};
}

}  // namespace troupe::cache
