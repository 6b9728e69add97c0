#pragma once
// The OpenAPI 3.1 document of a table's routes. Pure: made once, when the table is complete.

#include <string>
#include <vector>

#include "config/settings.hpp"
#include "http/core/route.hpp"

namespace troupe::http {

// Each route with its line, query, body, and every status that it can answer: those it tells itself, and those that
// every route of its kind has (what the edge refuses, keys where `settings` has any, an unknown model). HEAD and
// OPTIONS, which every path answers, are not listed.
std::string openapi_json(const std::vector<route>& routes, const config::settings& settings);

}  // namespace troupe::http
