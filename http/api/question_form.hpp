#pragma once
// The Hugging Face inference form, {"inputs", "parameters", "options"}: parameters may stand beside the inputs, too.
// It becomes one checked request. Pure but for what it looks up in the service's snapshot.

#include <string>

#include "actors/protocol/service.hpp"
#include "config/settings.hpp"
#include "http/api/asked_inputs.hpp"
#include "http/core/exchange.hpp"

namespace troupe::http {

struct question_form {
  actors::predict_request request;
  asked_inputs asked;  // its inputs are the request's
  form_parameters parameters;
};

// REQUIRES a model that is registered. Errors: those of asked_inputs.hpp; bad_request also names an unknown parameter
// or option; unsupported_media.
result<question_form> read_question(const exchange& request, const config::settings& settings,
                                    const actors::service& service, const std::string& model);

}  // namespace troupe::http
