#pragma once
// Where the next page of a listing is. Pure.

#include <string>
#include <string_view>

#include "cache/artifacts/http_client.hpp"
#include "cache/catalog/providers/listing_page.hpp"
#include "config/error.hpp"

namespace troupe::cache {

// The target with rel=next of a Link header (RFC 8288; several links, several words in rel); empty: none.
std::string_view next_link(std::string_view header);

// `url` with this parameter, in place of one of that name.
std::string with_parameter(std::string_view url, std::string_view name, std::string_view value);

// The page after the one that `url` gave; empty: it was the last. The first of: a Link header, next_page_token (as
// page_token), nextPageToken (as pageToken), has_more with last_id (as after_id). Always of the origin of `url`: of a
// link to elsewhere (mirrors and proxies name the server behind them) only the query is taken. Error: unprocessable,
// there is more and nobody tells where.
result<std::string> next_page(const std::string& url, const http_answer& answer, const page_facts& page);

}  // namespace troupe::cache
