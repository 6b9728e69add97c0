#include "cache/catalog/providers/provider.hpp"

#include <algorithm>
#include <utility>

#include "cache/catalog/providers/source_kinds.hpp"

namespace troupe::cache {

std::unique_ptr<provider_source> make_provider_source(const config::catalog_provider& from,
                                                      const config::settings& settings, http_client* net,
                                                      const provider_limits& limits) {
  auto bounded = limits;
  bounded.rows_max = std::min<std::uint64_t>(limits.rows_max, settings.max_provider_models);
  if (from.type == "file") return make_file_listing(from, bounded);
  auto form = from.type == "huggingface" ? hub_form(from, settings) : openai_form(from);
  return make_paged_listing(from.name, std::move(form), *net, bounded);
}

}  // namespace troupe::cache
