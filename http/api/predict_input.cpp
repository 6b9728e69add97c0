#include "http/api/predict_input.hpp"

#include <charconv>
#include <cmath>

#include "config/names.hpp"
#include "http/api/unknown_model.hpp"
#include "http/json/json_read.hpp"
#include "http/json/tensor_json.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;

// The fields of a request before they are understood. The body's win over the query's.
struct fields {
  std::optional<std::string> text;  // of `text`, or of `inputs` in the query
  std::optional<element> inputs;    // of the body
  std::optional<std::string> model;
  bool model_is_alias = false;      // came as `model`, which `model_name` overrides
  std::optional<config::priority> priority;
  std::optional<std::uint64_t> timeout_ms;
  bool batching = true;
  bool stream = false;
};

tl::unexpected<error> bad(std::string what, std::string right) {
  return fail(error_code::bad_request, std::move(what), std::move(right));
}

std::string in_quotes(std::string_view text) {
  std::string out(1, '\'');
  out.append(text).push_back('\'');
  return out;
}

tl::unexpected<error> wrong_type(std::string_view field, std::string_view wanted, element found) {
  return bad(in_quotes(field).append(" must be ").append(wanted).append(", found ").append(kind_of(found)),
             std::string("send ").append(wanted));
}

std::string_view shorter(std::string_view text) noexcept { return text.substr(0, text.find(';')); }

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

result<void> take_field(std::string_view name, element value, const config::settings& settings, fields& out,
                        bool& text_given, bool& model_name_given) {
  if (name == "text") {
    auto text = string_of(name, value);
    if (!text) {
      return value.type() == element_type::ARRAY
                 ? bad("'text' must be a string, found an array", "a list of texts goes into 'inputs'")
                 : tl::unexpected(text.error());
    }
    out.text = std::move(*text);
    text_given = true;
  } else if (name == "inputs" || name == "texts") {
    out.inputs = value;
  } else if (name == "model_name" || name == "model") {
    auto model = string_of(name, value);
    if (!model) return tl::unexpected(model.error());
    if (name == "model" && model_name_given) return {};
    model_name_given = name == "model_name";
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
  }  // unknown fields are ignored
  return {};
}

result<void> take_object(element root, const config::settings& settings, fields& out) {
  bool text_given = false, model_name_given = false;
  for (const auto [name, value] : simdjson::dom::object(root.get_object().value_unsafe())) {
    if (value.is_null()) continue;  // the same as absent
    if (auto taken = take_field(name, value, settings, out, text_given, model_name_given); !taken) return taken;
  }
  if (text_given && out.inputs) return text_and_inputs();
  return {};
}

// Reads the body into `document` (which owns what `fields` refers to).
result<void> take_body(const exchange& request, const config::settings& settings, bool batch_route,
                       json_body& document, fields& out) {
  auto body = request.body();
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    if (batch_route) return bad("The body is empty", "send a JSON array of texts, or {\"inputs\": [..]}");
    return {};
  }
  const auto coding = trim(request.header("Content-Encoding").value_or("identity"));
  if (!coding.empty() && !equal_ignoring_case(coding, "identity")) {
    return fail(error_code::unsupported_media, "Content-Encoding '" + shown(coding) + "' is not supported",
                "send the body as it is, without Content-Encoding");
  }
  const auto type = trim(shorter(request.header("Content-Type").value_or("application/json")));
  const char first = body[body.find_first_not_of(" \t\r\n")];
  if (equal_ignoring_case(type, "application/x-www-form-urlencoded") && first != '{' && first != '[') {
    const auto parameters = parse_parameters(body, "form");
    if (!parameters) return tl::unexpected(parameters.error());
    if (batch_route) return bad("A form is no batch", "send a JSON array of texts, or {\"inputs\": [..]}");
    return take_parameters(*parameters, settings, out);
  }
  // curl -d says "form" whatever it sends: what looks like JSON is read as JSON.
  const bool json = type.empty() || equal_ignoring_case(type, "application/json") ||
                    equal_ignoring_case(type, "text/json") ||
                    equal_ignoring_case(type, "application/x-www-form-urlencoded") ||
                    (type.size() > 5 && equal_ignoring_case(type.substr(type.size() - 5), "+json"));
  if (!json) {
    return fail(error_code::unsupported_media, "Content-Type '" + shown(type) + "' is not supported",
                "send application/json (or application/x-www-form-urlencoded)");
  }
  const auto root = document.parse(body);
  if (!root) return tl::unexpected(root.error());
  if (root->type() == element_type::OBJECT) return take_object(*root, settings, out);
  if (batch_route && root->type() == element_type::ARRAY) {
    out.inputs = *root;
    return {};
  }
  return batch_route ? bad("The body must be a JSON array or object, found " + std::string(kind_of(*root)),
                           "send a JSON array of texts, or {\"inputs\": [..]}")
                     : bad("The body must be a JSON object, found " + std::string(kind_of(*root)),
                           "send {\"text\": \"..\"}; an array of texts goes to /predict/batch");
}

// Null: the text may be sent to the model.
std::optional<error> check_text(std::string_view text, const config::settings& settings) {
  if (text.size() > settings.max_text_bytes) {
    return error{error_code::payload_too_large,
                 "The text has " + std::to_string(text.size()) + " bytes, more than the limit of " +
                     std::to_string(settings.max_text_bytes),
                 "send a shorter text, or raise max_text_bytes", {}};
  }
  if (is_blank(text)) {
    return error{error_code::unprocessable, "The text is empty", "send at least one visible character", {}};
  }
  return std::nullopt;
}

// Turns the raw inputs into items.
class item_reader {
 public:
  item_reader(const config::settings& settings, const actors::service& service, predict_input& out)
      : settings_(settings), out_(out), registration_(service.registration(out.request.model)) {
    if (!registration_) return;
    takes_tensors_ = !registration_->inputs.empty() || inference::parse_task(registration_->task) == inference::task::tensor;
    if (!registration_->inputs.empty()) type_ = registration_->inputs[0].type;
  }

  result<void> one_text(std::string&& text) {
    if (takes_tensors_.value_or(false)) return wants_tensor();
    if (auto problem = check_text(text, settings_)) return tl::unexpected(std::move(*problem));
    add_text(text);
    return {};
  }

  // `inputs` of /predict.
  result<void> any(element value) {
    if (value.type() == element_type::STRING) return one_text(std::string(value.get_string().value_unsafe()));
    if (value.type() != element_type::ARRAY) {
      return wrong_type("inputs", "a string, a list of strings or an array of numbers", value);
    }
    const array items(value.get_array().value_unsafe());
    if (items.begin() == items.end()) return empty_list();
    const bool tensor = takes_tensors_.value_or((*items.begin()).type() != element_type::STRING);
    if (!tensor) return list(items);
    auto t = read_tensor(value, type_, "inputs");
    if (!t) return tl::unexpected(t.error());
    const bool several = registration_ && !registration_->inputs.empty() &&
                         registration_->inputs[0].shape.size() + 1 == t->shape.size();
    if (!several) {
      add_tensor(std::move(*t));
      return {};
    }
    if (auto counted = check_count(static_cast<std::size_t>(t->shape[0])); !counted) return counted;
    out_.batch = true;
    for (auto& part : split_first_dimension(*t)) add_tensor(std::move(part));
    return {};
  }

  // A batch: each element is one item and fails alone.
  result<void> list(array items) {
    std::size_t count = 0;
    for (auto it = items.begin(); it != items.end(); ++it) ++count;
    if (count == 0) return empty_list();
    if (auto counted = check_count(count); !counted) return counted;
    out_.batch = true;
    out_.items.reserve(count);
    for (const element item : items) add(item);
    return {};
  }

 private:
  result<void> check_count(std::size_t count) const {
    if (count <= settings_.max_batch_inputs) return {};
    return fail(error_code::payload_too_large,
                "The batch has " + std::to_string(count) + " inputs, more than the limit of " +
                    std::to_string(settings_.max_batch_inputs),
                "send several smaller batches, or raise max_batch_inputs");
  }
  static tl::unexpected<error> empty_list() {
    return fail(error_code::unprocessable, "The list of inputs is empty", "send at least one");
  }
  tl::unexpected<error> wants_tensor() const {
    return fail(error_code::unprocessable, "Model " + out_.request.model + " takes numbers, found a text",
                "send 'inputs' as an array of numbers");
  }

  void add(element item) {
    const auto type = item.type();
    if (type == element_type::STRING && !takes_tensors_.value_or(false)) {
      const std::string_view text(item.get_string().value_unsafe());
      if (auto problem = check_text(text, settings_)) {
        // What is too long is not sent back either.
        out_.items.push_back({text.size() > settings_.max_text_bytes ? std::string() : std::string(text), true,
                              std::move(problem)});
      } else {
        add_text(text);
      }
      return;
    }
    if (takes_tensors_.value_or(type == element_type::ARRAY)) {
      auto t = type == element_type::STRING ? result<inference::tensor>(wants_tensor())
                                            : read_tensor(item, type_, "the input");
      if (t) {
        add_tensor(std::move(*t));
      } else {
        out_.items.push_back({{}, false, std::move(t.error())});
      }
      return;
    }
    out_.items.push_back({{}, false, error{error_code::unprocessable,
                                           "A text must be a string, found " + std::string(kind_of(item)),
                                           "send a string", {}}});
  }
  void add_text(std::string_view text) {
    out_.positions.push_back(static_cast<std::uint32_t>(out_.items.size()));
    out_.items.push_back({std::string(text), true, {}});
    out_.request.inputs.emplace_back(std::string(text));
  }
  void add_tensor(inference::tensor&& t) {
    out_.positions.push_back(static_cast<std::uint32_t>(out_.items.size()));
    out_.items.push_back({{}, false, {}});
    out_.request.inputs.emplace_back(std::move(t));
  }

  const config::settings& settings_;
  predict_input& out_;
  std::shared_ptr<const config::registered_model> registration_;
  std::optional<bool> takes_tensors_;
  inference::dtype type_ = inference::dtype::f32;
};

bool contains_token(std::optional<std::string_view> header, std::string_view token) {
  if (!header) return false;
  for (std::string_view rest = *header; !rest.empty();) {
    const auto comma = std::min(rest.find(','), rest.size());
    if (equal_ignoring_case(trim(shorter(rest.substr(0, comma))), token)) return true;
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return false;
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
  const auto cache_control = request.header("Cache-Control");
  out.request.use_prediction_cache = !contains_token(cache_control, "no-cache") &&
                                     !contains_token(cache_control, "no-store");
  out.stream = given.stream || contains_token(request.header("Accept"), "text/event-stream");

  item_reader reader(settings, service, out);
  result<void> read;
  if (batch_route) {
    if (!given.inputs) return bad("The batch is missing", "send a JSON array of texts, or {\"inputs\": [..]}");
    if (given.inputs->type() != element_type::ARRAY) return wrong_type("inputs", "an array", *given.inputs);
    read = reader.list(array(given.inputs->get_array().value_unsafe()));
  } else if (given.inputs) {
    read = reader.any(*given.inputs);
  } else if (given.text) {
    read = reader.one_text(std::move(*given.text));
  } else {
    read = bad("'text' is missing", "send it as ?text=.. or as {\"text\": \"..\"}");
  }
  if (!read) return tl::unexpected(read.error());
  return out;
}

}  // namespace troupe::http
