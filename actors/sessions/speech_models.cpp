#include "actors/sessions/speech_models.hpp"

#include <algorithm>

namespace troupe::actors {

namespace {

using inference::task;

bool any(const speech_candidate&) { return true; }
bool does(const speech_candidate& m, task what) {
  return std::find(m.tasks.begin(), m.tasks.end(), what) != m.tasks.end();
}

}  // namespace

std::string speech_models::choose(const std::string& named, std::string_view usual, task what,
                                  const std::function<bool(const speech_candidate&)>& fits) const {
  if (!named.empty()) return named;
  std::string first;
  for (const auto& m : registered_()) {
    if (m.name == usual) return m.name;
    if (does(m, what) && (first.empty() || m.name < first) && fits(m)) first = m.name;
  }
  return first;
}

std::string speech_models::live() const {
  const auto fed = choose(settings_.speech_model, "streaming_asr", task::automatic_speech_recognition,
                          [&](const auto& m) { return is_fed_(m.name); });
  return fed.empty() ? choose({}, {}, task::automatic_speech_recognition, any) : fed;
}

std::string speech_models::whole() const {
  return choose(settings_.offline_speech_model, "offline_asr", task::automatic_speech_recognition,
                [&](const auto& m) { return !is_fed_(m.name); });
}

bool speech_models::hears_whole(const std::string& model) const {
  auto name = model.empty() ? live() : model;
  if (name.empty()) name = whole();
  const auto all = registered_();
  return std::any_of(all.begin(), all.end(), [&](const speech_candidate& m) {
    return m.name == name && (m.tasks.empty() || does(m, task::automatic_speech_recognition)) && !is_fed_(m.name);
  });
}

std::string speech_models::punctuation() const {
  return choose(settings_.punctuation_model, "punctuation", task::punctuation_restoration, any);
}

std::string speech_models::voice_activity() const {
  return choose(settings_.vad_model, "vad", task::voice_activity_detection, any);
}

}  // namespace troupe::actors
