#pragma once
// The kinds of sources, one file each. `make_provider_source` chooses.

#include <memory>
#include <string>

#include "cache/catalog/providers/page_request.hpp"
#include "cache/catalog/providers/provider.hpp"

namespace troupe::cache {

// What a kind that pages over HTTP has of its own.
struct paged_form {
  provider_access access;
  std::string first_url;
};

result<paged_form> openai_form(const config::catalog_provider& from);
result<paged_form> hub_form(const config::catalog_provider& from, const config::settings& settings);

// An error of `form` is that of every reading.
std::unique_ptr<provider_source> make_paged_listing(std::string provider, result<paged_form> form, http_client& net,
                                                    const provider_limits& limits);
std::unique_ptr<provider_source> make_file_listing(const config::catalog_provider& from, const provider_limits& limits);

}  // namespace troupe::cache
