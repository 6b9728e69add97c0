#pragma once
// What clients send to the routes of document 003, read and checked. Pure, but for the request that it reads.

#include <cstdint>
#include <string>

#include "config/settings.hpp"
#include "http/core/exchange.hpp"

namespace troupe::http {

// Of /model/info: in the query or a JSON object, which wins. Errors: bad_request, naming the field; unsupported_media.
struct lifecycle_question {
  bool detailed = false;
  bool include_metrics = false;
};
result<lifecycle_question> read_lifecycle_question(const exchange& request, const config::settings& settings);

// Of POST /model/load. Errors as above.
struct lifecycle_load {
  std::string model_type;  // not empty; any text
  bool force_reload = false;
  bool async_load = true;
  std::uint64_t wait_ms = 0;  // `timeout`, 300 s by default
};
result<lifecycle_load> read_lifecycle_load(const exchange& request, const config::settings& settings);

}  // namespace troupe::http
