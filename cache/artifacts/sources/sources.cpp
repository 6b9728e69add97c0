#include "cache/artifacts/sources/sources.hpp"

#include "cache/artifacts/sources/source_kinds.hpp"
#include "cache/artifacts/sources/urls.hpp"

namespace troupe::cache {
namespace {

constexpr std::size_t model_id_bytes_max = 4096;

tl::unexpected<error> called_off() { return fail(error_code::cancelled, "the download was cancelled"); }
bool is_cancelled(const std::atomic<bool>* flag) noexcept {
  return flag != nullptr && flag->load(std::memory_order_relaxed);
}

result<pull_plan> plan_of(const source_context& in) {
  switch (in.request.source) {
    case source_kind::pytorch_hub: return plan_pytorch_hub(in);
    case source_kind::torchvision: return plan_torchvision(in);
    case source_kind::huggingface: return plan_hugging_face(in);
    case source_kind::url: return plan_web(in);
    case source_kind::tts_auto: return plan_tts_auto(in);
    case source_kind::torchaudio: return plan_torchaudio(in);
    case source_kind::s3: return plan_s3(in);
    case source_kind::local: return plan_local(in);
  }
  return fail(error_code::internal, "there is no such source");
}

}  // namespace

result<http_answer> ask(const source_context& in, const http_request& request) {
  if (is_cancelled(in.cancelled)) return called_off();
  auto answer = in.client.ask(request, in.cancelled);
  if (answer && is_cancelled(in.cancelled)) return called_off();
  return answer;
}

result<pull_plan> make_plan(const pull_request& request, const source_settings& settings, http_client& client,
                            const std::atomic<bool>* cancelled) {
  if (is_cancelled(cancelled)) return called_off();
  if (request.model_id.empty()) return fail(error_code::bad_request, "model_id is empty");
  if (request.model_id.size() > model_id_bytes_max)
    return fail(error_code::bad_request, "model_id is longer than 4096 bytes: '" + shown(request.model_id) + "'");
  auto plan = plan_of({request, settings, client, cancelled});
  if (!plan) return plan;
  plan->requested_revision = request.revision;
  if (!request.task.empty()) plan->task = request.task;
  return plan;
}

}  // namespace troupe::cache
