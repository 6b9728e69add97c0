// Source `tts_auto`: finds where a speech model is published, by its name.

#include "cache/artifacts/sources/source_kinds.hpp"
#include "cache/artifacts/sources/tts.hpp"
#include "cache/artifacts/sources/urls.hpp"

namespace troupe::cache {

result<pull_plan> plan_tts_auto(const source_context& in) {
  const auto& id = in.request.model_id;
  const auto* known = find_tts_model(id);
  if (known == nullptr && id.find('/') == id.npos)
    return fail(error_code::model_not_found, "tts_auto does not know '" + shown(id) + "'",
                "an \"org/name\" of the Hugging Face hub, or one of " + known_tts_models());
  auto request = in.request;
  request.source = known == nullptr ? source_kind::huggingface : known->source;
  if (known != nullptr) request.model_id = known->model_id;
  const source_context asked{request, in.settings, in.client, in.cancelled};
  auto plan = request.source == source_kind::torchaudio ? plan_torchaudio(asked) : plan_hugging_face(asked);
  if (!plan) return plan;
  if (is_text_to_speech(plan->task, plan->tags, request.model_id)) {
    plan->task = "text-to-speech";
  } else if (!in.request.convert_to_tts && (known == nullptr || !known->adapted)) {
    return fail(error_code::unprocessable,
                "'" + shown(request.model_id) + "' is no text-to-speech model" +
                    (plan->task.empty() ? "" : ": its task is " + plan->task),
                "source \"huggingface\", or \"auto_convert_tts\": true");
  }
  plan->notes.push_back("tts_auto: " + std::string(to_string(request.source)) + ' ' + request.model_id);
  return plan;
}

}  // namespace troupe::cache
