#include "cache/artifacts/sources/tts.hpp"

#include <algorithm>
#include <array>

#include "cache/artifacts/sources/published_weights.hpp"
#include "cache/artifacts/sources/urls.hpp"

namespace troupe::cache {
namespace {

using enum source_kind;
// Sizes are those of document 002, in MiB; it tells none of the others.
constexpr std::array<tts_model, 7> models = {{
    {"speecht5", huggingface, "microsoft/speecht5_tts", "Microsoft SpeechT5 TTS model", 2500.0, false, false},
    {"bark", huggingface, "suno/bark", "Suno Bark TTS model with voice cloning", 4000.0, true, false},
    {"bark-small", huggingface, "suno/bark-small", "Suno Bark, small", std::nullopt, true, false},
    {"tacotron2", torchaudio, "tacotron2", "Tacotron2, trained on LJSpeech", std::nullopt, false, false},
    {"vall-e-x", huggingface, "Plachtaa/VALL-E-X", "VALL-E X with zero-shot voice cloning", std::nullopt, true, false},
    {"bart-large", huggingface, "facebook/bart-large", "BART large, a text model to be adapted", std::nullopt, false,
     true},
    {"bart-base", huggingface, "facebook/bart-base", "BART base, a text model to be adapted", std::nullopt, false,
     true},
}};

using words = std::vector<std::string>;

words words_of(std::string_view name) {
  words out(1);
  for (const char c : lower_case(name)) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
      out.back() += c;
    else if (!out.back().empty())
      out.emplace_back();
  }
  return out;
}

bool has_one(const words& all, std::initializer_list<std::string_view> wanted) {
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& word) { return std::find(wanted.begin(), wanted.end(), word) != wanted.end(); });
}

bool sounds_like_speech(std::string_view name) {
  const auto all = words_of(name);
  if (has_one(all, {"asr", "stt", "whisper", "recognition", "vocoder", "hifigan", "waveglow", "wavernn", "melgan",
                    "encodec"}))
    return false;
  return std::any_of(all.begin(), all.end(), [](const auto& word) { return word.ends_with("tts"); }) ||
         has_one(all, {"speecht5", "bark", "tacotron", "tacotron2", "vits", "vits2", "fastspeech", "fastspeech2",
                       "valle", "kokoro"}) ||
         lower_case(name).find("vall-e") != std::string::npos || lower_case(name).find("vall_e") != std::string::npos;
}

std::string plain(std::string_view id) {
  auto out = lower_case(id);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

}  // namespace

bool is_text_to_speech(std::string_view task, const std::vector<std::string>& tags, std::string_view name) {
  const auto told = [](std::string_view text) {
    const auto lower = lower_case(text);
    return lower == "text-to-speech" || lower == "tts";
  };
  if (told(task) || std::any_of(tags.begin(), tags.end(), told)) return true;
  return task != "automatic-speech-recognition" && sounds_like_speech(name);
}

const tts_model* find_tts_model(std::string_view id) {
  const auto wanted = plain(id);
  for (const auto& model : models)
    if (wanted == plain(model.model_id) || wanted == model.short_name ||
        wanted == std::string(model.short_name) + "-tts")
      return &model;
  return nullptr;
}

std::string known_tts_models() {
  std::string out;
  for (const auto& model : models) out += (out.empty() ? "" : ", ") + std::string(model.short_name);
  return out;
}

std::optional<vocoder_choice> vocoder_for(std::string_view model_id, std::string_view asked) {
  if (!asked.empty()) {
    const bool published = asked.find('/') == asked.npos && find_audio_weights(asked);
    return vocoder_choice{published ? torchaudio : huggingface, std::string(asked)};
  }
  // torchaudio publishes no WaveGlow, which document 002 names: the bundle was trained for WaveRNN.
  if (model_id.find('/') == model_id.npos)
    if (const auto found = find_audio_weights(model_id); found && !found->vocoder.empty())
      return vocoder_choice{torchaudio, "wavernn"};
  const auto all = words_of(model_id);
  if (has_one(all, {"speecht5"}) && is_text_to_speech({}, {}, model_id))
    return vocoder_choice{huggingface, "microsoft/speecht5_hifigan"};
  return std::nullopt;
}

}  // namespace troupe::cache
