#pragma once
// The shapes of what /predict and /predict/batch take (predict_input.hpp) and answer (replies.hpp).

#include "http/core/schema.hpp"

namespace troupe::http {

// The JSON object of /predict.
schema predict_schema();
// The array or object of /predict/batch.
schema predict_batch_schema();
schema prediction_schema();
schema batch_schema();

// What the query takes as well.
schema query_flag_schema();
schema priority_schema();
schema seconds_schema();

}  // namespace troupe::http
