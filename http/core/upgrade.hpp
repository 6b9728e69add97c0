#pragma once
// Whether a request asks for a WebSocket, and for one that can be had (RFC 6455, section 4.2.1). Pure.

#include <optional>
#include <string_view>

#include "http/core/exchange.hpp"

namespace troupe::http {

// What to answer a request that cannot be upgraded; null: exchange::upgrade may be called. 426 with what is spoken here
// where it asks for none, or for another version; 400 where it is malformed.
std::optional<response> upgrade_fault(const exchange& request);

// Whether a client offers this subprotocol.
bool offers_subprotocol(const exchange& request, std::string_view name);
// What stands after `prefix` in the first offered subprotocol that begins so; empty: none does.
std::string_view offered_after(const exchange& request, std::string_view prefix);

}  // namespace troupe::http
