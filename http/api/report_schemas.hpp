#pragma once
// The shapes of document 001's answers: of each function in report_json.hpp its own.

#include "http/core/schema.hpp"

namespace troupe::http {

schema health_schema();
schema readiness_schema();
schema models_schema();
schema model_schema();
// What model_schema has of the loaded model and of its counts.
schema model_info_schema();
schema performance_schema();
schema stats_schema();
schema load_schema();
schema unload_schema();
schema warmup_schema();
schema cleanup_schema();

}  // namespace troupe::http
