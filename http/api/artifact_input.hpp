#pragma once
// What clients send to the routes of artifacts, read and checked. Pure, but for the request that it reads.

#include <string>

#include "actors/protocol/artifacts.hpp"
#include "config/settings.hpp"
#include "http/core/exchange.hpp"

namespace troupe::http {

// The body of POST /models/download. Errors: bad_request, naming the field; unauthorized and forbidden where the source
// is this machine's disk or s3 and the request has not the admin key.
result<actors::download_request> read_download(const exchange& request, const config::settings& settings,
                                               const cache::available_models& listed);

enum class manage_action { optimize, retry_download, update };
struct manage_request {
  manage_action action = manage_action::optimize;
  std::string model;
  bool force_redownload = false;
};
// The query of POST /models/manage, or the same as a JSON body, which wins.
result<manage_request> read_manage(const exchange& request);

// The body of POST /models/download/{model_name}/copy: the second name.
result<std::string> read_copy(const exchange& request);

// "Invalid source. Must be one of: [..]", as document 002 words it.
error invalid_source(const std::string& given);

}  // namespace troupe::http
