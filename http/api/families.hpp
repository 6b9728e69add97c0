#pragma once
// The API families: each adds its routes to the table. `service` and `settings` outlive the routes.

#include <vector>

#include "actors/protocol/service.hpp"
#include "config/settings.hpp"
#include "http/core/route.hpp"

namespace troupe::http {

// Document 001, the model cache service: model_cache.cpp.
void add_model_cache_routes(std::vector<route>& table, actors::service& service, const config::settings& settings);

}  // namespace troupe::http
