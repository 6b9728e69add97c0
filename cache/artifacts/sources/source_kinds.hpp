#pragma once
// The sources behind make_plan(), one file each, and what they share when they ask.

#include <atomic>
#include <string>

#include "cache/artifacts/sources/sources.hpp"

namespace troupe::cache {

struct source_context {
  const pull_request& request;
  const source_settings& settings;
  http_client& client;
  const std::atomic<bool>* cancelled;
};

// As http_client::ask(), but nothing is asked once the pull was called off.
result<http_answer> ask(const source_context& in, const http_request& request);

result<pull_plan> plan_hugging_face(const source_context& in);
result<pull_plan> plan_pytorch_hub(const source_context& in);
result<pull_plan> plan_torchvision(const source_context& in);
result<pull_plan> plan_torchaudio(const source_context& in);
result<pull_plan> plan_web(const source_context& in);
result<pull_plan> plan_s3(const source_context& in);
result<pull_plan> plan_local(const source_context& in);
result<pull_plan> plan_tts_auto(const source_context& in);

}  // namespace troupe::cache
