#include "http/core/openapi.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <utility>

#include "config/names.hpp"
#include "config/version.hpp"
#include "http/core/router.hpp"
#include "http/json/json_write.hpp"

namespace troupe::http {
namespace {

// What an error's status means where a route does not say more.
const char* usual_reason(unsigned status) {
  switch (status) {
    case 400: return "Malformed: the request, its path or a parameter";
    case 401: return "No key was given";
    case 403: return "A wrong key, or the route needs one and none is configured";
    case 404: return "No such model; the detail lists similar names";
    case 408: return "The request did not arrive in time";
    case 413: return "Longer than what is taken here";
    case 414: return "The URL is too long";
    case 415: return "A media type that is not taken here";
    case 417: return "The only expectation understood is 100-continue";
    case 422: return "Well-formed, but unusable";
    case 429: return "A queue is full; Retry-After tells when to try again";
    case 431: return "Too many headers, or too long ones";
    case 500: return "The request failed inside the server";
    case 503: return "Not now: ending, restarting, loading failed, or no memory. Retry-After where a retry can help";
    case 504: return "The request's own deadline passed";
    case 505: return "Only HTTP/1.0 and HTTP/1.1 are spoken";
    default: return "";
  }
}

constexpr unsigned of_every_route[] = {400, 408, 413, 414, 417, 431, 500, 503, 505};

bool names_model(const route& r) { return r.pattern.find(model_parameter) != std::string::npos; }

bool needs_key(const route& r, const config::settings& settings) {
  return r.needs == guard::admin || (r.needs == guard::keyed && !settings.api_keys.empty());
}

// All that the route can answer, by status.
std::map<unsigned, possible_answer> answers_of(const route& r, const config::settings& settings) {
  std::map<unsigned, possible_answer> out;
  const auto add = [&](unsigned status) { out.emplace(status, possible_answer{status, {}, {}}); };
  for (const auto status : of_every_route) add(status);
  if (needs_key(r, settings)) {
    add(401);
    add(403);
  }
  if (names_model(r)) add(404);
  for (const auto& a : r.answers) out[a.status] = a;
  return out;
}

bool has_no_body(const possible_answer& a) { return a.status == 101 || a.status == 204 || a.status == 304; }
bool is_error(const possible_answer& a) { return a.forms.empty() && !has_no_body(a); }

std::string shared_name(const family& of, unsigned status) { return of.error_name + std::to_string(status); }

void write_content(json_out& json, const std::vector<media>& forms) {
  json.key("content").object();
  for (const auto& form : forms) json.key(form.type).object().key("schema").raw(form.is.json()).end_object();
  json.end_object();
}

void write_answer(json_out& json, const std::string& when, const std::vector<media>& forms) {
  json.object().field("description", when);
  if (!forms.empty()) write_content(json, forms);
  json.end_object();
}

// An error that the route says nothing more of stands among the components, once a family.
void write_answers(json_out& json, const route& r, const config::settings& settings) {
  json.key("responses").object();
  for (const auto& [status, a] : answers_of(r, settings)) {
    json.key(std::to_string(status));
    if (!is_error(a)) {
      write_answer(json, a.when, a.forms);
    } else if (!a.when.empty()) {
      write_answer(json, a.when, as_json(schema::named(r.of->error_name)));
    } else {
      json.object().field("$ref", "#/components/responses/" + shared_name(*r.of, status)).end_object();
    }
  }
  json.end_object();
}

schema model_name_schema() {
  return schema::text()
      .matching(config::model_name_pattern)
      .with("minLength", "1")
      .with("maxLength", std::to_string(config::max_model_name_bytes));
}

void write_parameter(json_out& json, std::string_view name, std::string_view in, const schema& is,
                     std::string_view what) {
  json.object().field("name", name).field("in", in).field("required", in == "path");
  if (!what.empty()) json.field("description", what);
  json.key("schema").raw(is.json()).end_object();
}

void write_parameters(json_out& json, const route& r) {
  const auto in_path = parameter_names(r.pattern);
  if (in_path.empty() && r.query.empty()) return;
  json.key("parameters").array();
  for (const auto& name : in_path) {
    const bool model = '{' + name + '}' == model_parameter;
    if (model) {
      write_parameter(json, name, "path", model_name_schema(),
                      "A model's name; the '/' after its namespace, where it has one, plain or as %2F");
    } else {
      write_parameter(json, name, "path", schema::text().with("minLength", "1"), {});
    }
  }
  for (const auto& q : r.query) write_parameter(json, q.name, "query", q.is, q.what);
  json.end_array();
}

std::string in_lower_case(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// "get_models_model_name"
std::string operation_id(const route& r) {
  auto id = in_lower_case(r.method);
  for (const auto segment : path_segments(r.pattern)) id.append("_").append(segment);
  std::erase_if(id, [](char c) { return c == '{' || c == '}'; });
  std::replace(id.begin(), id.end(), '.', '_');
  return id;
}

void write_operation(json_out& json, const route& r, const config::settings& settings) {
  json.key(in_lower_case(r.method)).object().field("operationId", operation_id(r)).field("summary", r.line);
  json.key("tags").array().value(r.of->name).end_array();
  json.key("security").array();  // each of the two will do; none where no key is needed
  if (needs_key(r, settings)) {
    for (const char* scheme : {"bearer", "api_key"}) json.object().key(scheme).array().end_array().end_object();
  }
  json.end_array();
  write_parameters(json, r);
  if (!r.body_forms.empty()) {
    json.key("requestBody").object().field("description", r.body).field("required", r.body_required);
    write_content(json, r.body_forms);
    json.end_object();
  }
  write_answers(json, r, settings);
  json.end_object();
}

void write_paths(json_out& json, const std::vector<route>& routes, const config::settings& settings) {
  std::set<std::string_view> written;
  json.key("paths").object();
  for (const auto& first : routes) {
    if (!written.insert(first.pattern).second) continue;
    json.key(first.pattern).object();
    for (const auto& r : routes) {
      if (r.pattern == first.pattern) write_operation(json, r, settings);
    }
    json.end_object();
  }
  json.end_object();
}

void write_tags(json_out& json, const std::vector<route>& routes) {
  std::set<std::string_view> written;
  json.key("tags").array();
  for (const auto& r : routes) {
    if (!written.insert(r.of->name).second) continue;
    json.object().field("name", r.of->name).field("description", r.of->description).end_object();
  }
  json.end_array();
}

void write_components(json_out& json, const std::vector<route>& routes, const config::settings& settings) {
  std::map<std::string, std::pair<const family*, unsigned>> shared;
  std::map<std::string, schema> schemas;
  for (const auto& r : routes) {
    schemas.emplace(r.of->error_name, r.of->error_is);
    for (const auto& [status, a] : answers_of(r, settings)) {
      if (is_error(a) && a.when.empty()) shared.emplace(shared_name(*r.of, status), std::pair(r.of.get(), status));
    }
  }
  json.key("components").object().key("schemas").object();
  for (const auto& [name, is] : schemas) json.key(name).raw(is.json());
  json.end_object().key("responses").object();
  for (const auto& [name, of] : shared) {
    json.key(name);
    write_answer(json, usual_reason(of.second), as_json(schema::named(of.first->error_name)));
  }
  json.end_object().key("securitySchemes").object();
  json.key("bearer").object().field("type", "http").field("scheme", "bearer").end_object();
  json.key("api_key").object().field("type", "apiKey").field("in", "header").field("name", "X-API-Key").end_object();
  json.end_object().end_object();
}

}  // namespace

std::string openapi_json(const std::vector<route>& routes, const config::settings& settings) {
  json_out json;
  json.object().field("openapi", "3.1.0").key("info").object();
  json.field("title", "troupe")
      .field("version", version::project)
      .field("description",
             "Serves many PyTorch models from one process. Every path also answers OPTIONS, and HEAD "
             "where it answers GET; another method is 405, an unknown path 404.")
      .end_object();
  write_tags(json, routes);
  write_paths(json, routes, settings);
  write_components(json, routes, settings);
  return json.end_object().str();
}

}  // namespace troupe::http
