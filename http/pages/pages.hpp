#pragma once
// Pages for people: what a browser shows, embedded in the program when it is built (http/CMakeLists.txt).

#include <vector>

#include "http/core/route.hpp"

namespace troupe::http {

// /demo/speech: the microphone of a browser, transcribed by this server.
std::vector<route> page_routes();

}  // namespace troupe::http
