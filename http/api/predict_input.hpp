#pragma once
// What a client asks of /predict and /predict/batch: query, form and JSON body become one checked request.
// Pure but for what it looks up in the service's snapshot.

#include "actors/protocol/service.hpp"
#include "config/settings.hpp"
#include "http/api/asked_inputs.hpp"
#include "http/core/exchange.hpp"

namespace troupe::http {

struct predict_input {
  actors::predict_request request;  // `model` is always set; inputs of the good items
  asked_inputs asked;               // its inputs are the request's; a list is answered as a batch
  form_parameters parameters;
  bool stream = false;  // answered as server-sent events
};

// Errors: unsupported_media, bad_request, model_not_found, payload_too_large, unprocessable.
result<predict_input> read_predict(const exchange& request, const config::settings& settings,
                                   const actors::service& service, bool batch_route);

}  // namespace troupe::http
