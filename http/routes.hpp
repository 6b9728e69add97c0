#pragma once
// The routing table: one handler for all of the server's requests.
//
// A request passes, in this order: what the edge refused -> OPTIONS -> path (400, 404) -> keys (401, 403) ->
// method (405) -> the route. `service` and `settings` must outlive the handler. `run` is called on the
// connection's thread; the exchange may be answered later from any thread.

#include <cstdint>
#include <string_view>
#include <vector>

#include "actors/protocol/service.hpp"
#include "config/settings.hpp"
#include "http/core/route.hpp"

namespace troupe::http {

// Matches path and method (404, 405 with Allow), answers refused requests with the envelope, applies keys
// and CORS, and calls the route. Test executables add their own routes through `extra`.
handler make_handler(actors::service& service, const config::settings& settings,
                     std::vector<route> extra = {});

std::uint64_t body_limit_for(const config::settings& settings, std::string_view method,
                             std::string_view path);

}  // namespace troupe::http
