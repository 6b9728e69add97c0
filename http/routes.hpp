#pragma once
// The routing table: one handler for all of the server's requests.

#include <string>

#include "actors/service.hpp"
#include "config/settings.hpp"
#include "http/exchange.hpp"

namespace troupe::http {

// Matches path and method (404, 405 with Allow), answers refused requests with the envelope, applies keys
// and CORS, and calls the route. Test executables add their own routes through `extra`.
struct route {
  std::string method;   // "GET"
  std::string pattern;  // "/models/{model_name}/load"; {model_name} may hold one '/' (namespace) or %2F
  // `model_name` is decoded and checked; empty where the pattern has none.
  std::function<void(exchange_ptr, std::string model_name)> run;
};

handler make_handler(actors::service& service, const config::settings& settings,
                     std::vector<route> extra = {});

std::uint64_t body_limit_for(const config::settings& settings, std::string_view method,
                             std::string_view path);

}  // namespace troupe::http
