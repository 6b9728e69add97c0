#pragma once
// What the recordings' own routes answer, and its shapes. Pure.

#include <string>
#include <string_view>

#include "http/api/collect.hpp"
#include "http/api/hear.hpp"
#include "http/core/schema.hpp"

namespace troupe::http {

std::string recognized_json(const heard_recording& all);
schema recognized_schema();
// The same, and each sentence with its tokens and their times.
std::string transcribed_json(const heard_recording& all);
schema transcribed_schema();

// `original`: the text that was asked about.
std::string punctuated_json(const collected& all, std::string_view original);
schema punctuated_schema();

// The envelope, with their clients' word for a file of another format.
response recordings_error(const error& why, std::string_view request_id, header_list headers);

}  // namespace troupe::http
