// Type `openai`: any server's /v1/models.

#include "cache/artifacts/sources/urls.hpp"
#include "cache/catalog/providers/next_page.hpp"
#include "cache/catalog/providers/source_kinds.hpp"

namespace troupe::cache {
namespace {

// Its own API takes no bearer of keys, wants a version, and lists 20 models where nobody asks for more.
constexpr std::string_view anthropic_host = "api.anthropic.com";

}  // namespace

result<paged_form> openai_form(const config::catalog_provider& from) {
  auto base = checked_base_url(from.base_url, "base_url of '" + from.name + "'");
  if (!base) return tl::unexpected(base.error());
  const auto url = parse_url(*base);
  if (!url) return tl::unexpected(url.error());
  paged_form out;
  out.access.base_url = *base;
  out.access.headers = {{"Accept", "application/json"}};
  out.access.key_is_set_by = "the variable " + from.api_key_env;
  out.first_url = *base + (url->path.empty() || url->path == "/" ? "/v1/models" : "/models");
  const bool anthropic = url->host == anthropic_host;
  if (anthropic) {
    out.first_url = with_parameter(out.first_url, "limit", "1000");
    out.access.headers.emplace_back("anthropic-version", "2023-06-01");
  }
  if (!from.api_key.empty()) {
    if (anthropic)
      out.access.key = {{"x-api-key", from.api_key}};
    else
      out.access.key = {{"Authorization", "Bearer " + from.api_key}};
  }
  return out;
}

}  // namespace troupe::cache
