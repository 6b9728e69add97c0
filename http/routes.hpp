#pragma once
// The routing table: one handler for all of the server's requests.
//
// A request passes, in this order: what the edge refused -> OPTIONS -> keys (401, 403) -> path and method (400, 404,
// 405) -> the route. What goes wrong on the way is written as the route's family writes it.

#include <memory>
#include <string_view>
#include <vector>

#include "actors/protocol/service.hpp"
#include "config/settings.hpp"
#include "http/core/route_table.hpp"

namespace troupe::http {

// The routes of all families (http/api/families.hpp), and `extra`: test executables add theirs.
std::shared_ptr<const route_table> make_routes(std::vector<route> extra = {});

// The same for a listener of that dialect: its own routes go before the usual ones of the same place; funasr's are all
// there are. (A body may be as long as the usual table says: that is max_body_bytes where a path, or its method, is a
// dialect's alone.)
std::shared_ptr<const route_table> in_dialect(const route_table& usual, std::string_view dialect);

// Requests of listeners with a dialect are answered by that dialect's routes. `service` and `settings` must outlive the
// handler.
handler make_handler(std::shared_ptr<const route_table> routes, actors::service& service,
                     const config::settings& settings);

}  // namespace troupe::http
