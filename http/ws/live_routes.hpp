#pragma once
// The routes whose requests become live connections (http/core/route.hpp).

#include <string_view>
#include <vector>

#include "http/core/route.hpp"

namespace troupe::http {

// /funasr, /ws/{client_id}, /vosk and /v1/realtime.
std::vector<route> live_routes();
// Every path, for a listener of the dialect "funasr" or "vosk": FunASR's clients do not agree on one, vosk-server's
// have none.
std::vector<route> live_dialect_routes(std::string_view dialect);

}  // namespace troupe::http
