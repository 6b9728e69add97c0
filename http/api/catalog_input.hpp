#pragma once
// What document 004's routes take: a listing's query, an edit's body, ids in paths. Errors are bad_request and name the
// parameter.

#include <string>

#include "actors/protocol/catalog.hpp"
#include "http/core/exchange.hpp"

namespace troupe::http {

// gateway (or provider), search (or q), task, min_price, max_price, min_context_length, max_context_length, sort
// (id, price, context_length), limit, offset or cursor. A parameter that is none of them is refused: a filter that is
// misspelled would list what was not asked for.
result<cache::page_query> read_listing(const exchange& request);
// Of a provider's page: without gateway; of unique models: without gateway and sort.
result<cache::page_query> read_provider_listing(const exchange& request, const std::string& provider);
result<cache::page_query> read_unique_listing(const exchange& request);

// One parameter alone, which may be left out: empty then.
result<std::string> read_only_parameter(const exchange& request, std::string_view name);

// {"name", "task", "description", "pricing": {"prompt", "completion"}, "context_length", "provider" or "gateway"}
result<actors::offer_edit> read_edit(const exchange& request, const std::string& id);

}  // namespace troupe::http
