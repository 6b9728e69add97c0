#pragma once
// The shapes of the Hugging Face inference form (question_form.hpp) and of its answers (write_inference.hpp).

#include <vector>

#include "http/core/schema.hpp"

namespace troupe::http {

schema inference_schema();
schema inference_answer_schema();

// The parameters of all tasks (form_parameters.hpp), none of which must be there.
std::vector<schema::field> parameter_fields();

}  // namespace troupe::http
