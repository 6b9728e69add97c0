#pragma once
// From a model's results to the client's answer. The results come on compute threads and are only collected
// there; JSON is written on the connection's thread.

#include <functional>
#include <memory>
#include <string>

#include "actors/protocol/service.hpp"
#include "config/settings.hpp"
#include "http/api/predict_input.hpp"
#include "http/core/exchange.hpp"

namespace troupe::http {

// Answers with the error, in the words of the route's family. For an unknown model the detail lists similar names of
// the registry.
void respond_error(exchange& request, const actors::service& service, error why, const std::string& model = {});

// Runs `f` on the connection's thread; what it throws becomes an answer.
void on_connection(const exchange_ptr& request, std::function<void()> f);

// Starts the prediction and answers when it is done: one answer, a batch's, or server-sent events.
void predict(const exchange_ptr& request, actors::service& service, const config::settings& settings,
             predict_input input);

}  // namespace troupe::http
