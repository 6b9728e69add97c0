#pragma once
// Reports of artifacts as the JSON of documents 000 and 002. Pure.

#include <string>

#include "actors/protocol/artifacts.hpp"
#include "actors/protocol/reports.hpp"

namespace troupe::http {

// The answer to POST /models/download.
std::string started_json(const actors::download_report& d, const cache::available_models& listed);
std::string download_status_json(const actors::download_report& d);
// The answers to POST /models/manage.
std::string managed_download_json(const actors::download_report& d, const std::string& action);
std::string optimized_json(const actors::artifact_report& before, const actors::optimize_report& did);
std::string artifact_info_json(const actors::artifact_status& a);
// "8-15 minutes": for so many bytes at such a rate.
std::string estimated_time(double bytes, double bytes_per_s);
std::string available_json(const cache::available_models& listed);
std::string cache_info_json(const actors::store_report& store);
std::string managed_json(const actors::store_report& store, const actors::server_report& server);
std::string removed_json(const actors::removal_report& done);

}  // namespace troupe::http
