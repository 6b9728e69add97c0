// Type `huggingface`: the listing of the hub, or of a mirror of it.

#include "cache/artifacts/sources/urls.hpp"
#include "cache/catalog/providers/source_kinds.hpp"

namespace troupe::cache {

result<paged_form> hub_form(const config::catalog_provider& from, const config::settings& settings) {
  const bool own = !from.base_url.empty();
  auto base = own ? checked_base_url(from.base_url, "base_url of '" + from.name + "'")
                  : checked_base_url(settings.hf_endpoint, "HF_ENDPOINT");
  if (!base) return tl::unexpected(base.error());
  paged_form out;
  out.access.base_url = *base;
  out.access.headers = {{"Accept", "application/json"}};
  // Two members instead of tags and counts: a tenth of the bytes.
  out.first_url = *base + "/api/models?limit=1000&expand=pipeline_tag&expand=createdAt";
  out.access.key_is_set_by = "the variable " + (from.api_key.empty() ? std::string("HF_TOKEN") : from.api_key_env);
  auto key = from.api_key;
  // The hub's token is for the hub that the settings name.
  if (key.empty() && (!own || same_origin(*base, settings.hf_endpoint))) key = settings.hf_token;
  if (!key.empty()) out.access.key = {{"Authorization", "Bearer " + key}};
  return out;
}

}  // namespace troupe::cache
