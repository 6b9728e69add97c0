#pragma once
// The shapes of what document 003's routes take and answer.

#include "http/core/schema.hpp"

namespace troupe::http {

schema lifecycle_question_schema();
schema lifecycle_info_schema();
schema lifecycle_load_request_schema();
// Of a load that has begun, or of one that has ended.
schema lifecycle_started_schema();
schema lifecycle_loaded_schema();
schema lifecycle_unloaded_schema();
schema lifecycle_error_schema();

}  // namespace troupe::http
