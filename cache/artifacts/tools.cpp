#include "cache/artifacts/tools.hpp"

#include "config/version.hpp"

namespace troupe::cache {

std::uint64_t store_limit_bytes(const config::settings& s) noexcept {
  return static_cast<std::uint64_t>(s.store_limit_gb * 1073741824.0);
}

store_options store_options_of(const config::settings& s) {
  return {store_limit_bytes(s), std::chrono::seconds(s.keep_partial_s)};
}

transfer_options transfer_options_of(const config::settings& s) {
  transfer_options o;
  o.connections_max = s.download_connections;
  o.rate_max_bytes_s = static_cast<std::uint64_t>(s.download_rate_limit_mb_s * 1048576.0);
  o.retries_max = s.download_retries;
  o.low_speed_time = std::chrono::seconds(s.download_stall_s);
  o.allow_private = s.allow_private_downloads;
  o.ca_file = s.ca_file.string();
  o.user_agent = "troupe/" + std::string(version::project);
  return o;
}

source_settings source_settings_of(const config::settings& s) {
  source_settings o;
  o.hf_endpoint = s.hf_endpoint;
  o.hf_token = s.hf_token;
  o.hf_hub_offline = s.hf_hub_offline;
  o.hf_cache = s.hf_hub_cache;
  o.torchvision_base_url = s.torchvision_base_url;
  o.pytorch_hub_base_url = s.pytorch_hub_base_url;
  o.torchaudio_base_url = s.torchaudio_base_url;
  o.allow_private = s.allow_private_downloads;
  o.s3_endpoint = s.s3_endpoint;
  o.s3_region = s.s3_region;
  o.s3_access_key = s.s3_access_key;
  o.s3_secret_key = s.s3_secret_key;
  o.s3_session_token = s.s3_session_token;
  return o;
}

std::shared_ptr<pull_kit> make_tools(const config::settings& s, std::shared_ptr<store> artifacts) {
  auto kit = std::make_shared<pull_kit>();
  kit->artifacts = std::move(artifacts);
  kit->net = std::make_unique<transfers>(transfer_options_of(s), system_resolver());
  kit->sources = source_settings_of(s);
  kit->artifact_bytes_max = s.max_artifact_mb << 20;
  return kit;
}

}  // namespace troupe::cache
