#pragma once
// The shapes of document 004's answers.

#include "http/core/schema.hpp"

namespace troupe::http {

schema catalog_page_schema();
schema catalog_provider_schema();
schema catalog_providers_schema();
schema unique_page_schema();
schema catalog_stats_schema();
schema catalog_model_schema();
schema catalog_pricing_schema();
schema cache_stats_schema();
schema warm_schema();
schema clear_schema();
schema sync_schema();
schema edit_request_schema();
schema edit_schema();

}  // namespace troupe::http
