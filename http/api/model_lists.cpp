#include "http/api/model_lists.hpp"

#include <functional>
#include <set>

#include "cache/artifacts/sources/tts.hpp"

namespace troupe::http {
namespace {

using actors::model_report;

bool speaks(const model_report& m) {
  return cache::is_text_to_speech(task_of(m), m.registration.tags, m.registration.name);
}
bool listens(const model_report& m) {
  const auto task = task_of(m);
  return task == "automatic-speech-recognition" || task == "speech-to-text" || task == "streaming_asr";
}

std::string category_of(const model_report& m) {
  static const std::set<std::string, std::less<>> audio{"audio-classification", "voice-activity-detection",
                                                        "punctuation", "text-to-audio", "audio-to-audio"};
  const auto task = task_of(m);
  if (speaks(m) || listens(m) || audio.contains(task)) return "audio";
  if (task.starts_with("image-") || task.starts_with("object-") || task.starts_with("zero-shot-image")) return "vision";
  if (task.empty() || task == "tensor") return "general";
  return "text";
}

void write_names(json_out& json, const char* key, const actors::server_report& report,
                 const std::function<bool(const model_report&)>& belongs) {
  json.key(key).array();
  for (const auto& m : report.models)
    if (belongs(m)) json.value(m.registration.name);
  json.end_array();
}

std::function<bool(const model_report&)> does(const char* task) {
  return [task](const model_report& m) { return task_of(m) == task; };
}

}  // namespace

std::string task_of(const model_report& m) {
  if (!m.registration.task.empty() || !m.info || m.info->tasks.empty()) return m.registration.task;
  return std::string(inference::to_string(m.info->tasks.front()));
}

void write_model_lists(json_out& json, const actors::server_report& report) {
  json.field("success", true).field("total_models", report.models.size());
  write_names(json, "available_models", report, [](const model_report& m) { return m.registration.enabled; });
  json.key("models_info").object();
  for (const auto& m : report.models) {
    const auto& r = m.registration;
    const auto task = task_of(m);
    json.key(r.name)
        .object()
        .field("display_name", r.display_name.empty() ? r.name : r.display_name)
        .field("task", task.empty() ? std::nullopt : std::optional(task))
        .field("category", category_of(m))
        .field("enabled", r.enabled)
        .field("tts_enabled", speaks(m))
        .field("description", r.description)
        .field("version", r.version.empty() ? std::nullopt : std::optional(r.version));
    json.key("tags").array();
    for (const auto& tag : r.tags) json.value(tag);
    json.end_array().end_object();
  }
  json.end_object().key("specialized_models").object();
  write_names(json, "tts_models", report, speaks);
  write_names(json, "stt_models", report, listens);
  write_names(json, "image_classification", report, does("image-classification"));
  write_names(json, "text_classification", report, does("text-classification"));
  json.end_object().key("audio_models").object().key("tts_detailed").object();
  for (const auto& m : report.models) {
    if (!speaks(m)) continue;
    json.key(m.registration.name)
        .object()
        .field("type", m.registration.source)
        .field("model_name", m.registration.provider.empty() ? m.registration.name : m.registration.provider)
        .field("description", m.registration.description)
        .end_object();
  }
  json.end_object();
  write_names(json, "loaded_audio_models", report, [](const model_report& m) {
    return m.state == actors::residency::resident && category_of(m) == "audio";
  });
  json.end_object();
}

}  // namespace troupe::http
