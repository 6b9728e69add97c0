#pragma once
// What a model answered, as the fields of a JSON object: the same over HTTP and for `troupe predict`.

#include <string>
#include <vector>

#include "http/json/json_write.hpp"
#include "inference/model/outputs.hpp"

namespace troupe::http {

// Into the object that `json` has open. A class without a label is LABEL_n; of no classes at all, prediction and
// confidence are null.
void write_output(json_out& json, const std::vector<std::string>& labels, const inference::output& out);

}  // namespace troupe::http
