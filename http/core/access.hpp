#pragma once
// Who may call what: API keys, the admin key, and the answer to a browser's preflight.

#include <optional>
#include <string>
#include <string_view>

#include "config/error.hpp"
#include "config/settings.hpp"
#include "http/core/exchange.hpp"

namespace troupe::http {

enum class guard {
  open,   // anybody
  keyed,  // a key where API_KEYS are set, else anybody
  admin,  // the admin key; refused where none is configured
};

// Null: may pass. unauthorized: no key was given; forbidden: a wrong one, or none is configured. All keys are
// compared, each in constant time, so that the time tells nothing about them.
std::optional<error> check_access(const config::settings& settings, guard needed, const exchange& request);

// 204 with Allow, or with the preflight's headers where CORS is set. Allow-Origin is added
// to every answer (http_metrics.hpp).
response options_response(const config::settings& settings, const std::string& allow, const exchange& request);

}  // namespace troupe::http
