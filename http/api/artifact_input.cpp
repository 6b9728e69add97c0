#include "http/api/artifact_input.hpp"

#include <map>

#include "config/names.hpp"
#include "http/core/access.hpp"
#include "http/json/json_read.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

namespace dom = simdjson::dom;
constexpr std::size_t text_bytes_max = 4096;

// A JSON object's members, read by name with errors that name them.
class fields {
 public:
  explicit fields(dom::object object) : object_(object) {}

  result<void> text(const char* name, std::string& out) const {
    dom::element value;
    if (object_[name].get(value) || value.is_null()) return {};
    std::string_view given;
    if (value.get(given)) return wrong(name, "a string", value);
    if (given.size() > text_bytes_max)
      return fail(error_code::bad_request,
                  "'" + std::string(name) + "' is longer than " + std::to_string(text_bytes_max) + " bytes");
    for (const unsigned char c : given)
      if (c < 0x20 || c == 0x7f)
        return fail(error_code::bad_request, "'" + std::string(name) + "' has a control character");
    out = std::string(given);
    return {};
  }
  result<void> flag(const char* name, bool& out) const {
    dom::element value;
    if (object_[name].get(value) || value.is_null()) return {};
    if (value.get(out)) return wrong(name, "true or false", value);
    return {};
  }

 private:
  static tl::unexpected<error> wrong(const char* name, const char* wanted, dom::element found) {
    return fail(error_code::bad_request,
                "'" + std::string(name) + "' must be " + wanted + ", found " + std::string(kind_of(found)));
  }
  dom::object object_;
};

result<dom::object> object_of(json_body& document, std::string_view body) {
  const auto root = document.parse(body);
  if (!root) return tl::unexpected(root.error());
  dom::object object;
  if (root->get(object))
    return fail(error_code::bad_request, "The body must be a JSON object, found " + std::string(kind_of(*root)));
  return object;
}

result<void> required(const std::string& value, const char* name, const char* example) {
  if (!value.empty()) return {};
  return fail(error_code::bad_request, "'" + std::string(name) + "' is missing",
              std::string("for instance ") + example);
}

// A source that reads what the server's own user may read.
bool needs_admin(cache::source_kind source) {
  return source == cache::source_kind::local || source == cache::source_kind::s3;
}

// Addresses are a source of their own, whatever the client calls them.
cache::source_kind true_source(cache::source_kind named, const std::string& model_id) {
  if (model_id.starts_with("s3://")) return cache::source_kind::s3;
  if (named == cache::source_kind::url && (model_id.starts_with("/") || model_id.starts_with("file:")))
    return cache::source_kind::local;
  return named;
}

bool is_blank_body(std::string_view body) { return body.find_first_not_of(" \t\r\n") == std::string_view::npos; }

}  // namespace

error invalid_source(const std::string& given) {
  return {
      error_code::bad_request,
      "Invalid source. Must be one of: [pytorch_hub, torchvision, huggingface, url, tts_auto, torchaudio, s3, local]",
      "Invalid source: " + shown(given),
      {}};
}

result<actors::download_request> read_download(const exchange& request, const config::settings& settings,
                                               const cache::available_models& listed) {
  json_body document;
  const auto object = object_of(document, request.body());
  if (!object) return tl::unexpected(object.error());
  const fields given(*object);
  actors::download_request out;
  auto& what = out.pull;
  std::string source;
  bool large = false, experimental = false;
  for (auto read :
       {given.text("source", source), given.text("model_id", what.model_id), given.text("name", what.name),
        given.text("task", what.task), given.text("revision", what.revision),
        given.text("vocoder_model", what.vocoder_model), given.flag("auto_convert_tts", what.convert_to_tts),
        given.flag("include_vocoder", what.include_vocoder), given.flag("enable_large_model", large),
        given.flag("experimental", experimental), given.flag("load", out.load)}) {
    if (!read) return tl::unexpected(read.error());
  }
  for (auto there : {required(source, "source", "\"huggingface\""),
                     required(what.model_id, "model_id", "\"sentence-transformers/all-MiniLM-L6-v2\""),
                     required(what.name, "name", "\"minilm\", the name that the model is to have here")}) {
    if (!there) return tl::unexpected(there.error());
  }
  const auto known = cache::parse_source(source);
  if (!known) return tl::unexpected(invalid_source(source));
  if (auto good = config::check_model_name(what.name); !good) return tl::unexpected(good.error());
  what.source = true_source(*known, what.model_id);
  if (auto allowed = listed.check_allowed(what, large, experimental); !allowed) return tl::unexpected(allowed.error());
  if (needs_admin(what.source)) {
    if (auto denied = check_access(settings, guard::admin, request)) return tl::unexpected(std::move(*denied));
  }
  return out;
}

result<manage_request> read_manage(const exchange& request) {
  std::string action, force;
  manage_request out;
  const auto parameters = parse_parameters(request.query(), "query");
  if (!parameters) return tl::unexpected(parameters.error());
  for (const auto& [name, value] : *parameters) {
    if (name == "action") action = value;
    if (name == "model_name") out.model = value;
    if (name == "force_redownload") force = value;
  }
  if (force == "true" || force == "1") {
    out.force_redownload = true;
  } else if (!force.empty() && force != "false" && force != "0") {
    return fail(error_code::bad_request, "'force_redownload' must be true or false, found " + shown(force));
  }
  if (!is_blank_body(request.body())) {
    json_body document;
    const auto object = object_of(document, request.body());
    if (!object) return tl::unexpected(object.error());
    const fields given(*object);
    for (auto read : {given.text("action", action), given.text("model_name", out.model),
                      given.flag("force_redownload", out.force_redownload)}) {
      if (!read) return tl::unexpected(read.error());
    }
  }
  static const std::map<std::string, manage_action> actions{{"optimize", manage_action::optimize},
                                                            {"retry_download", manage_action::retry_download},
                                                            {"update", manage_action::update}};
  const auto known = actions.find(action);
  if (known == actions.end())
    return fail(error_code::bad_request,
                action.empty() ? std::string("'action' is missing") : "Invalid action: " + shown(action),
                "one of optimize, retry_download, update");
  out.action = known->second;
  if (auto there = required(out.model, "model_name", "model_name=bert"); !there) return tl::unexpected(there.error());
  if (auto good = config::check_model_name(out.model); !good) return tl::unexpected(good.error());
  return out;
}

result<std::string> read_copy(const exchange& request) {
  json_body document;
  const auto object = object_of(document, request.body());
  if (!object) return tl::unexpected(object.error());
  std::string name;
  if (auto read = fields(*object).text("name", name); !read) return tl::unexpected(read.error());
  if (auto there = required(name, "name", "\"second\""); !there) return tl::unexpected(there.error());
  if (auto good = config::check_model_name(name); !good) return tl::unexpected(good.error());
  return name;
}

}  // namespace troupe::http
