#pragma once
// The parameters of all tasks in the words of the Hugging Face inference form: what the model is told, and what is of
// the request's form alone. Pure.

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"
#include "inference/model/task.hpp"

namespace troupe::http {

struct form_parameters {
  inference::task_parameters task;                           // the model's: it refuses what is not its task's
  std::optional<std::vector<std::string>> candidate_labels;  // zero-shot: at least one, none blank
  std::optional<std::string> hypothesis_template;            // zero-shot: has {}
  std::optional<bool> multi_label;                           // zero-shot
  std::optional<bool> return_text;                           // ranking
  std::optional<bool> base64;                                // vectors: encoding_format
  std::optional<std::vector<std::string>> outputs;           // tensors: those that are wanted
};

// False: no parameter has this name. A null is the same as absent. bad_request: names one with a value that it cannot
// have, and says which it can.
result<bool> take_parameter(std::string_view name, simdjson::dom::element value, form_parameters& out);
// All of an object. bad_request: also where one is unknown, or it is no object.
result<void> take_parameters(simdjson::dom::element parameters, form_parameters& out);

// bad_request: names the unknown one and lists those that there are.
error unknown_parameter(std::string_view name);

}  // namespace troupe::http
