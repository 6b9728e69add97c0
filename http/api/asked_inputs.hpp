#pragma once
// The inputs of a request, by whose form a task is asked: a text, a pair of texts, a list, a sentence beside others, a
// query beside texts, a text beside candidate labels, tensors. They become items for the model. Pure.

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/service.hpp"
#include "config/settings.hpp"
#include "http/api/form_parameters.hpp"

namespace troupe::http {

// How the inputs belong together, and so what is answered.
enum class input_form : std::uint8_t {
  each,        // an answer an item
  similarity,  // how alike the items are to one sentence
  ranking,     // how well the items fit a query
  zero_shot,   // the candidate labels' scores an item
};

// One of what the client listed: an input, a sentence, a document.
struct asked_item {
  std::string text;  // as it was given
  bool is_text = true;
  std::optional<error> problem;  // it fails alone and is not sent to the model
  std::uint32_t first = 0;       // of its inputs in the request; there where it has no problem
};

struct asked_inputs {
  input_form form = input_form::each;
  std::vector<inference::input> inputs;  // the model's; of similarity the first is the sentence itself
  std::vector<asked_item> items;
  std::uint32_t inputs_an_item = 1;  // of zero_shot one a candidate label
  std::string query;                 // of ranking; of similarity the sentence
  bool list = false;                 // answered as a list, even of one
};

// What reading depends on beside the inputs; outlives it.
struct input_context {
  const config::settings& settings;
  const std::string& model;
  const config::registered_model* registration;  // of it; null: not known
  const form_parameters& parameters;
  error_code empty_list = error_code::bad_request;
};

// Errors: bad_request (a form that is none, parameters of another form), payload_too_large (too many, too long),
// unprocessable (a blank text, numbers of a wrong shape).
result<asked_inputs> inputs_of_text(const input_context& from, std::string_view text,
                                    const std::optional<std::string>& text_pair = {});
result<asked_inputs> inputs_of_ranking(const input_context& from, std::string_view query, simdjson::dom::element texts);
// Of any form. A number array is one tensor, or a list of them.
result<asked_inputs> inputs_of(const input_context& from, simdjson::dom::element inputs);
// Each element is an input of its own.
result<asked_inputs> inputs_of_list(const input_context& from, simdjson::dom::element list);

// The task that a form asks for; not set: the model's own.
std::optional<inference::task> task_of(input_form form) noexcept;

}  // namespace troupe::http
