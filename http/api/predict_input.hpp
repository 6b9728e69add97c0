#pragma once
// What a client asks of /predict and /predict/batch: query, form and JSON body become one checked request.
// Pure but for what it looks up in the service's snapshot.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/protocol/service.hpp"
#include "config/settings.hpp"
#include "http/core/exchange.hpp"

namespace troupe::http {

// One text or tensor as the client gave it.
struct predict_item {
  std::string text;  // echoed in the answer
  bool is_text = true;
  std::optional<error> problem;  // it fails alone and is not sent to the model
};

struct predict_input {
  actors::predict_request request;  // `model` is always set; inputs of the good items
  std::vector<predict_item> items;
  std::vector<std::uint32_t> positions;  // request.inputs[i] is items[positions[i]]
  bool batch = false;                    // answered as a batch
  bool stream = false;                   // answered as server-sent events
};

// Errors: unsupported_media, bad_request, model_not_found, payload_too_large, unprocessable.
result<predict_input> read_predict(const exchange& request, const config::settings& settings,
                                   const actors::service& service, bool batch_route);

}  // namespace troupe::http
