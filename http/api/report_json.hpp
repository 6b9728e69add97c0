#pragma once
// The actors' reports as the JSON of document 001. Pure.

#include <string>

#include "actors/protocol/catalog.hpp"
#include "actors/protocol/reports.hpp"
#include "config/settings.hpp"
#include "http/json/json_write.hpp"

namespace troupe::http {

// MiB to three places, as all sizes are told here.
double mib(std::uint64_t bytes);

std::string health_json(const actors::server_report& report, const actors::catalog_state& catalog,
                        const config::settings& settings, std::uint64_t process_bytes);
// Of /health/ready: the state, whether it is ready, and what is missing.
std::string readiness_json(const actors::server_report& report);
std::string models_json(const actors::server_report& report);
std::string model_json(const actors::model_report& model);
// What model_json has of the loaded model and of its counts: an object each.
void write_model_info(json_out& json, const actors::model_report& model);
void write_performance(json_out& json, const actors::model_report& model);
std::string stats_json(const actors::server_report& report);
std::string load_json(const actors::load_report& done);
std::string unload_json(const actors::unload_report& done);
std::string warmup_json(const actors::warmup_report& done);
std::string cleanup_json(const actors::cleanup_report& done);

}  // namespace troupe::http
