#pragma once
// The routes whose requests become live connections (http/core/route.hpp).

#include <vector>

#include "http/core/route.hpp"

namespace troupe::http {

// /funasr, /ws/{client_id}, /vosk and /v1/realtime.
std::vector<route> live_routes();
// Every path, for a listener of FunASR's dialect: its clients do not agree on one.
std::vector<route> funasr_dialect_routes();

}  // namespace troupe::http
