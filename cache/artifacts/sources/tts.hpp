#pragma once
// What is known of text-to-speech models before they are there: which they are, what vocoder fits, how large document
// 002 says they are. Pure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/artifacts/pull_request.hpp"

namespace troupe::cache {

// Task text-to-speech, or tags, or name (of the model or its id); recognizers and vocoders are none by their name.
bool is_text_to_speech(std::string_view task, const std::vector<std::string>& tags, std::string_view name);

struct tts_model {
  std::string_view short_name;  // "speecht5"; also found by model_id
  source_kind source;
  std::string_view model_id, description;
  std::optional<double> size_mb;  // document 002's estimate
  bool voice_cloning = false;
  bool adapted = false;  // a text model, of use with auto_convert_tts
};
// By its id at the source, its name in document 002 ("speecht5_tts") or the short name. Null: not known.
const tts_model* find_tts_model(std::string_view id);
std::string known_tts_models();  // "speecht5, bark, ..": for messages

struct vocoder_choice {
  source_kind source = source_kind::huggingface;
  std::string model_id;
};
// For `model_id`, from what was asked as vocoder_model ("org/name" of the hub, or a name that torchaudio publishes;
// empty: the one that fits). Null: it needs none, or none is known.
std::optional<vocoder_choice> vocoder_for(std::string_view model_id, std::string_view asked);

}  // namespace troupe::cache
