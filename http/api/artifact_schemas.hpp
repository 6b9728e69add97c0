#pragma once
// The shapes of documents 000 and 002: of what clients send, and of each function in artifact_json.hpp its own.

#include "http/core/schema.hpp"

namespace troupe::http {

schema download_request_schema();
schema manage_request_schema();

schema started_schema();
schema download_status_schema();
schema artifact_info_schema();
schema removed_schema();
schema available_schema();
schema cache_info_schema();
schema managed_schema();
schema manage_schema();

}  // namespace troupe::http
