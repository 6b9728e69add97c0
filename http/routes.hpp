#pragma once
// The routing table: one handler for all of the server's requests.
//
// A request passes, in this order: what the edge refused -> OPTIONS -> path (400, 404) -> keys (401, 403) ->
// method (405) -> the route. `service` and `settings` must outlive the handler. `run` is called on the
// connection's thread; the exchange may be answered later from any thread.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/service.hpp"
#include "config/settings.hpp"
#include "http/exchange.hpp"

namespace troupe::http {

// Matches path and method (404, 405 with Allow), answers refused requests with the envelope, applies keys
// and CORS, and calls the route. Test executables add their own routes through `extra`.
struct route {
  std::string method;   // "GET"
  // "/models/{model_name}/load": {model_name} may hold one '/' (a namespace), also as %2F, and is checked;
  // any other parameter ("{id}") is one decoded segment, unchecked. At most one parameter a pattern.
  std::string pattern;
  // `model_name` is the decoded parameter; empty where the pattern has none.
  std::function<void(exchange_ptr, std::string model_name)> run;
  bool open = false;   // needs no key even where API_KEYS are set
  bool admin = false;  // needs the admin key
};

handler make_handler(actors::service& service, const config::settings& settings,
                     std::vector<route> extra = {});

std::uint64_t body_limit_for(const config::settings& settings, std::string_view method,
                             std::string_view path);

}  // namespace troupe::http
