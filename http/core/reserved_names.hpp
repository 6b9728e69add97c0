#pragma once
// The names that no model may have, because a path would mean something else by them: read from the routes.

#include <vector>

#include "config/names.hpp"
#include "http/core/route.hpp"

namespace troupe::http {

// First segments of routes, what stands beside {model_name} ("download" in /models/download) or after it ("load" in
// /models/{model_name}/load); and the names kept for the routes that are to come, which no registry should have
// taken by then.
config::reserved_names reserved_names(const std::vector<route>& routes);

}  // namespace troupe::http
