#pragma once
// What a model answered, in the words of the Hugging Face inference form. Pure.

#include <string>

#include "http/api/collect.hpp"
#include "http/api/question_form.hpp"

namespace troupe::http {

// The whole document. An error: it failed as a whole. In a list, an item that failed alone is an object with `error`.
result<std::string> inference_json(const collected& all, const asked_inputs& asked, const form_parameters& parameters,
                                   const std::optional<inference::task>& task);

}  // namespace troupe::http
