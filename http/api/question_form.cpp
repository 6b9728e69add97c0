#include "http/api/question_form.hpp"

#include <utility>

#include "http/api/json_request.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr std::string_view the_form = "send {\"inputs\": .., \"parameters\": {..}}";

// What clients of the hub send, too. A model that is not in memory is waited for in any case, and how it is computed
// is not the client's choice.
bool is_taken_option(std::string_view name) noexcept {
  return name == "use_cache" || name == "wait_for_model" || name == "use_gpu" || name == "dont_load_model" ||
         name == "retry_on_error";
}

result<void> take_options(element options, actors::predict_request& out) {
  if (options.is_null()) return {};
  if (options.type() != element_type::OBJECT) {
    return fail(error_code::bad_request, "'options' must be an object, found " + std::string(kind_of(options)),
                "send an object");
  }
  for (const auto [name, value] : simdjson::dom::object(options.get_object().value_unsafe())) {
    if (!is_taken_option(name)) {
      return fail(error_code::bad_request, "'" + shown(name) + "' is not an option here",
                  "known are use_cache and wait_for_model");
    }
    bool flag = true;
    if (value.is_null()) continue;
    if (value.get_bool().get(flag) != simdjson::SUCCESS) {
      return fail(error_code::bad_request,
                  "'" + std::string(name) + "' must be true or false, found " + std::string(kind_of(value)),
                  "send true or false");
    }
    if (name == "use_cache" && !flag) out.use_prediction_cache = false;
  }
  return {};
}

// The hub's clients say it in a header, too.
bool takes_cache(const exchange& request) {
  const auto told = request.header("X-Use-Cache");
  return takes_kept_answers(request) && !(told && (equal_ignoring_case(*told, "false") || *told == "0"));
}

}  // namespace

result<question_form> read_question(const exchange& request, const config::settings& settings,
                                    const actors::service& service, const std::string& model) {
  json_body document;
  const auto root = read_json(request, document, the_form);
  if (!root) return tl::unexpected(root.error());
  if (root->type() != element_type::OBJECT) {
    return fail(error_code::bad_request, "The body must be a JSON object, found " + std::string(kind_of(*root)),
                std::string(the_form));
  }
  question_form out;
  out.request.model = model;
  out.request.use_prediction_cache = takes_cache(request);
  std::optional<element> inputs;
  for (const auto [name, value] : simdjson::dom::object(root->get_object().value_unsafe())) {
    if (name == "inputs") {
      if (!value.is_null()) inputs = value;
    } else if (name == "parameters") {
      if (auto taken = take_parameters(value, out.parameters); !taken) return tl::unexpected(taken.error());
    } else if (name == "options") {
      if (auto taken = take_options(value, out.request); !taken) return tl::unexpected(taken.error());
    } else {
      const auto known = take_parameter(name, value, out.parameters);
      if (!known) return tl::unexpected(known.error());
      if (!*known) return tl::unexpected(unknown_parameter(name));
    }
  }
  if (!inputs) return fail(error_code::bad_request, "'inputs' is missing", std::string(the_form));

  const auto registration = service.registration(model);
  auto asked = inputs_of({settings, model, registration.get(), out.parameters}, *inputs);
  if (!asked) return tl::unexpected(std::move(asked.error()));
  out.asked = std::move(*asked);
  out.request.inputs = std::move(out.asked.inputs);
  out.request.asked = {task_of(out.asked.form), out.parameters.task};
  return out;
}

}  // namespace troupe::http
