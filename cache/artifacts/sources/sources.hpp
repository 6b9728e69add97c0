#pragma once
// From what is asked to what is to be fetched: one file a source behind this. Blocks (asks the source); detached actors
// and the command line.

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "cache/artifacts/http_client.hpp"
#include "cache/artifacts/pull_request.hpp"
#include "config/error.hpp"

namespace troupe::cache {

// As settings and environment say. A base URL that is not the default was configured by the operator: it may point
// anywhere, also inside (reach::anywhere).
struct source_settings {
  std::string hf_endpoint = "https://huggingface.co";
  std::string hf_token;
  bool hf_hub_offline = false;     // only what the hub's own cache folder has
  std::filesystem::path hf_cache;  // the hub's cache folder ("~/.cache/huggingface/hub"); empty: none
  std::string torchvision_base_url = "https://download.pytorch.org/models";
  std::string pytorch_hub_base_url = "https://download.pytorch.org/models";
  std::string torchaudio_base_url = "https://download.pytorch.org/torchaudio/models";
  bool allow_private = false;  // allow_private_downloads: `url` may reach private addresses
  std::string s3_endpoint, s3_region = "us-east-1", s3_access_key, s3_secret_key, s3_session_token;
};

// Errors: bad_request (an id or URL that cannot be one), model_not_found, forbidden (gated, or no token: what to set),
// unprocessable (there is nothing that could be served: the reason), unavailable (the source does not answer),
// cancelled.
result<pull_plan> make_plan(const pull_request& request, const source_settings& settings, http_client& client,
                            const std::atomic<bool>* cancelled);

}  // namespace troupe::cache
