#pragma once
// What document 002 adds to GET /models: lists of names by what the models do. Pure.

#include <string>

#include "actors/protocol/reports.hpp"
#include "http/json/json_write.hpp"

namespace troupe::http {

// The registry's word for it, else what the loaded model does. Empty: not known.
std::string task_of(const actors::model_report& m);

// Members of the object that is open.
void write_model_lists(json_out& json, const actors::server_report& report);

}  // namespace troupe::http
