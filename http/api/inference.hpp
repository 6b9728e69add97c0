#pragma once
// The Hugging Face inference form, for the routes that take it.

#include <string>

#include "http/core/route.hpp"

namespace troupe::http {

// Answers the form as it is asked of this model; an unknown one is model_not_found.
void answer_inference(const context& c, const exchange_ptr& request, const std::string& model);

// Says of a route what it takes and answers.
void describe_inference(family_routes::row row);

}  // namespace troupe::http
