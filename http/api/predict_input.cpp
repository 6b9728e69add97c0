#include "http/api/predict_input.hpp"

#include <charconv>
#include <cmath>

#include "config/names.hpp"
#include "http/api/json_request.hpp"
#include "http/api/unknown_model.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// The fields of a request before they are understood. The body's win over the query's.
struct fields {
  std::optional<std::string> text;       // of `text`, or of `inputs` in the query
  std::optional<std::string> text_pair;  // that goes with the text
  std::optional<element> inputs;         // of the body
  std::optional<element> texts;          // to be ranked for the text
  form_parameters parameters;
  std::optional<std::string> model;
  bool model_is_alias = false;  // came as `model`, which `model_name` overrides
  std::optional<config::priority> priority;
  std::optional<std::uint64_t> timeout_ms;
  bool batching = true;
  bool stream = false;
};

tl::unexpected<error> bad(std::string what, std::string right) {
  return fail(error_code::bad_request, std::move(what), std::move(right));
}

tl::unexpected<error> wrong_type(std::string_view field, std::string_view wanted, element found) {
  return bad(in_quotes(field).append(" must be ").append(wanted).append(", found ").append(kind_of(found)),
             std::string("send ").append(wanted));
}

tl::unexpected<error> text_and_inputs() { return bad("Both 'text' and 'inputs' were given", "give one of them"); }

result<std::uint64_t> timeout_from(double seconds, const config::settings& settings) {
  const double limit = static_cast<double>(settings.max_request_timeout_ms) / 1000;
  if (!(seconds > 0) || seconds > limit) {
    return bad("'timeout' is out of range",
               "give seconds, more than 0 and at most " + std::to_string(settings.max_request_timeout_ms / 1000));
  }
  return static_cast<std::uint64_t>(std::ceil(seconds * 1000));
}

result<config::priority> priority_from(std::string_view text) {
  if (const auto p = config::parse_priority(text)) return *p;
  return bad("'priority' is '" + shown(text) + "'", "use low, medium or high");
}

result<bool> flag_from(std::string_view name, std::string_view text) {
  if (equal_ignoring_case(text, "true") || text == "1") return true;  // Python says True
  if (equal_ignoring_case(text, "false") || text == "0") return false;
  return bad(in_quotes(name) + " is " + in_quotes(shown(text)), "use true or false");
}

result<void> take_parameters(const parameter_list& parameters, const config::settings& settings, fields& out) {
  bool text_given = false, inputs_given = false;
  for (const auto& [name, value] : parameters) {
    if (name == "text" || name == "inputs") {
      out.text = value;
      (name == "text" ? text_given : inputs_given) = true;
    } else if (name == "text_pair") {
      out.text_pair = value;
    } else if (name == "model_name" || (name == "model" && (!out.model || out.model_is_alias))) {
      out.model = value;
      out.model_is_alias = name == "model";
    } else if (name == "priority") {
      const auto p = priority_from(value);
      if (!p) return tl::unexpected(p.error());
      out.priority = *p;
    } else if (name == "timeout") {
      double seconds = 0;
      const auto end = value.data() + value.size();
      const auto [ptr, ec] = std::from_chars(value.data(), end, seconds);
      if (ec != std::errc() || ptr != end) {
        return bad("'timeout' is '" + shown(value) + "'", "give it as a number of seconds");
      }
      const auto ms = timeout_from(seconds, settings);
      if (!ms) return tl::unexpected(ms.error());
      out.timeout_ms = *ms;
    } else if (name == "enable_batching" || name == "stream") {
      const auto flag = flag_from(name, value);
      if (!flag) return tl::unexpected(flag.error());
      (name == "stream" ? out.stream : out.batching) = *flag;
    }
  }
  if (text_given && inputs_given) return text_and_inputs();
  return {};
}

result<std::string> string_of(std::string_view field, element value) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return wrong_type(field, "a string", value);
  return std::string(text);
}

// What of the body was given under which name.
struct names_given {
  bool text = false, model_name = false;
  std::optional<element> texts;
};

result<void> take_field(std::string_view name, element value, const config::settings& settings, fields& out,
                        names_given& given) {
  if (name == "text") {
    auto text = string_of(name, value);
    if (!text) {
      return value.type() == element_type::ARRAY
                 ? bad("'text' must be a string, found an array", "a list of texts goes into 'inputs'")
                 : tl::unexpected(text.error());
    }
    out.text = std::move(*text);
    given.text = true;
  } else if (name == "text_pair") {
    auto pair = string_of(name, value);
    if (!pair) return tl::unexpected(pair.error());
    out.text_pair = std::move(*pair);
  } else if (name == "inputs") {
    out.inputs = value;
    given.texts.reset();
  } else if (name == "texts") {
    given.texts = value;
    out.inputs.reset();
  } else if (name == "parameters") {
    return take_parameters(value, out.parameters);
  } else if (name == "model_name" || name == "model") {
    auto model = string_of(name, value);
    if (!model) return tl::unexpected(model.error());
    if (name == "model" && given.model_name) return {};
    given.model_name = name == "model_name";
    out.model = std::move(*model);
  } else if (name == "priority") {
    const auto text = string_of(name, value);
    if (!text) return tl::unexpected(text.error());
    const auto p = priority_from(*text);
    if (!p) return tl::unexpected(p.error());
    out.priority = *p;
  } else if (name == "timeout") {
    double seconds = 0;
    if (value.get_double().get(seconds) != simdjson::SUCCESS) return wrong_type(name, "a number of seconds", value);
    const auto ms = timeout_from(seconds, settings);
    if (!ms) return tl::unexpected(ms.error());
    out.timeout_ms = *ms;
  } else if (name == "enable_batching" || name == "stream") {
    bool flag = false;
    if (value.get_bool().get(flag) != simdjson::SUCCESS) return wrong_type(name, "true or false", value);
    (name == "stream" ? out.stream : out.batching) = flag;
  } else if (auto known = take_parameter(name, value, out.parameters); !known) {  // unknown fields are ignored
    return tl::unexpected(std::move(known.error()));
  }
  return {};
}

result<void> take_object(element root, const config::settings& settings, bool batch_route, fields& out) {
  names_given given;
  for (const auto [name, value] : simdjson::dom::object(root.get_object().value_unsafe())) {
    if (value.is_null()) continue;  // the same as absent
    if (auto taken = take_field(name, value, settings, out, given); !taken) return taken;
  }
  if (given.text && given.texts && !batch_route) {
    out.texts = given.texts;
    return {};
  }
  if (given.texts) out.inputs = given.texts;  // by themselves they are a list
  if (given.text && out.inputs) return text_and_inputs();
  return {};
}

// Reads the body into `document` (which owns what `fields` refers to).
result<void> take_body(const exchange& request, const config::settings& settings, bool batch_route, json_body& document,
                       fields& out) {
  auto body = request.body();
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    if (batch_route) return bad("The body is empty", "send a JSON array of texts, or {\"inputs\": [..]}");
    return {};
  }
  if (auto plain = check_coding(request); !plain) return plain;
  const auto type = media_type(request);
  const char first = body[body.find_first_not_of(" \t\r\n")];
  if (equal_ignoring_case(type, "application/x-www-form-urlencoded") && first != '{' && first != '[') {
    const auto parameters = parse_parameters(body, "form");
    if (!parameters) return tl::unexpected(parameters.error());
    if (batch_route) return bad("A form is no batch", "send a JSON array of texts, or {\"inputs\": [..]}");
    return take_parameters(*parameters, settings, out);
  }
  // curl -d says "form" whatever it sends: what looks like JSON is read as JSON.
  if (!is_json(type)) {
    return fail(error_code::unsupported_media, "Content-Type '" + shown(type) + "' is not supported",
                "send application/json (or application/x-www-form-urlencoded)");
  }
  const auto root = document.parse(body);
  if (!root) return tl::unexpected(root.error());
  if (root->type() == element_type::OBJECT) return take_object(*root, settings, batch_route, out);
  if (batch_route && root->type() == element_type::ARRAY) {
    out.inputs = *root;
    return {};
  }
  return batch_route ? bad("The body must be a JSON array or object, found " + std::string(kind_of(*root)),
                           "send a JSON array of texts, or {\"inputs\": [..]}")
                     : bad("The body must be a JSON object, found " + std::string(kind_of(*root)),
                           "send {\"text\": \"..\"}; an array of texts goes to /predict/batch");
}

result<asked_inputs> read_asked(const input_context& from, const fields& given, bool batch_route) {
  if (batch_route) {
    if (!given.inputs) return bad("The batch is missing", "send a JSON array of texts, or {\"inputs\": [..]}");
    return inputs_of_list(from, *given.inputs);
  }
  if (given.text_pair && (!given.text || given.inputs || given.texts)) {
    return bad("'text_pair' stands without its 'text'", "send {\"text\": \"..\", \"text_pair\": \"..\"}");
  }
  if (given.texts) return inputs_of_ranking(from, *given.text, *given.texts);
  if (given.inputs) return inputs_of(from, *given.inputs);
  if (given.text) return inputs_of_text(from, *given.text, given.text_pair);
  return bad("'text' is missing", "send it as ?text=.. or as {\"text\": \"..\"}");
}

}  // namespace

result<predict_input> read_predict(const exchange& request, const config::settings& settings,
                                   const actors::service& service, bool batch_route) {
  fields given;
  json_body document;
  if (!request.query().empty()) {
    const auto parameters = parse_parameters(request.query(), "query");
    if (!parameters) return tl::unexpected(parameters.error());
    if (auto taken = take_parameters(*parameters, settings, given); !taken) return tl::unexpected(taken.error());
  }
  if (auto taken = take_body(request, settings, batch_route, document, given); !taken) {
    return tl::unexpected(taken.error());
  }

  predict_input out;
  const bool named = given.model && !given.model->empty();
  out.request.model = named ? std::move(*given.model) : service.default_model();
  if (out.request.model.empty()) {
    return bad("No model was named, and the server has no default model",
               "give 'model_name'; GET /models lists the models");
  }
  if (auto checked = config::check_model_name(out.request.model); !checked) return tl::unexpected(checked.error());
  if (!service.knows(out.request.model)) {
    auto unknown = unknown_model(service, out.request.model);
    if (!named) {
      unknown.message = "No model was named, and the default model " + out.request.model + " is not registered";
      unknown.detail = "give 'model_name', or set default_model to a registered one; " + unknown.detail;
    }
    return tl::unexpected(std::move(unknown));
  }
  out.request.priority = given.priority;
  out.request.timeout_ms = given.timeout_ms;
  out.request.batching = given.batching;
  out.request.use_prediction_cache = takes_kept_answers(request);
  out.stream = given.stream || contains_token(request.header("Accept"), "text/event-stream");

  const auto registration = service.registration(out.request.model);
  // Document 001 tells an empty list from a bad one.
  auto asked =
      read_asked({settings, out.request.model, registration.get(), given.parameters, error_code::unprocessable}, given,
                 batch_route);
  if (!asked) return tl::unexpected(std::move(asked.error()));
  out.asked = std::move(*asked);
  out.request.inputs = std::move(out.asked.inputs);
  out.request.asked = {task_of(out.asked.form), given.parameters.task};
  out.parameters = std::move(given.parameters);
  return out;
}

}  // namespace troupe::http
