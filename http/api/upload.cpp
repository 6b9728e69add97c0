#include "http/api/upload.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <span>

#include "http/api/json_request.hpp"
#include "http/api/predict_schemas.hpp"
#include "http/core/multipart.hpp"
#include "http/json/base64.hpp"
#include "http/json/json_read.hpp"
#include "http/json/text.hpp"
#include "http/ws/funasr_json.hpp"

namespace troupe::http {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr std::size_t field_bytes_max = 64 * 1024;
constexpr const char* file_field = "file";

bool is_sound(std::string_view type) {
  const auto slash = type.find('/');
  return equal_ignoring_case(type.substr(0, slash), "audio") || equal_ignoring_case(type, "application/octet-stream") ||
         equal_ignoring_case(type, "application/ogg") || equal_ignoring_case(type, "video/ogg");
}

// A field's value in JSON as a form would have it; null: it is a list or an object.
std::optional<std::string> as_text(element value) {
  switch (value.type()) {
    case element_type::STRING: return std::string(std::string_view(value.get_string().value_unsafe()));
    case element_type::BOOL: return value.get_bool().value_unsafe() ? "true" : "false";
    case element_type::INT64:
    case element_type::UINT64:
    case element_type::DOUBLE: return std::string(simdjson::minify(value));
    default: return std::nullopt;
  }
}

}  // namespace

upload::upload(const exchange_ptr& request, const config::settings& settings, upload_forms forms)
    : request_(request), settings_(settings) {
  take_query();
  if (auto plain = check_coding(*request); !plain) refuse(std::move(plain.error()), {});
  const auto said = request->header("Content-Type").value_or("");
  const auto type = media_type(*request);
  if (equal_ignoring_case(type, "multipart/form-data")) {
    take_form(said);
  } else if (forms == upload_forms::any && is_sound(type)) {
    take_file(request->body(), request);
  } else if (forms == upload_forms::any && !said.empty() && is_json(type) &&
             !equal_ignoring_case(type, "application/x-www-form-urlencoded")) {
    take_json();
  } else {
    refuse({error_code::unsupported_media,
            said.empty() ? "Content-Type is missing" : "Content-Type '" + shown(type) + "' is not supported",
            forms == upload_forms::any ? "send multipart/form-data with a field 'file', the file itself as audio/* or "
                                         "application/octet-stream, or JSON with 'audio' in base64"
                                       : "send multipart/form-data with a field 'file'",
            {}},
           {});
  }
  if (!holds_)
    refuse({error_code::bad_request,
            in_quotes(file_field) + " is missing",
            "send the recording in a part of this name",
            {}},
           file_field);
}

void upload::refuse(error why, std::string field) {
  if (!problem_) problem_ = trouble{std::move(why), std::move(field)};
}

void upload::take_query() {
  auto given = parse_parameters(request_->query(), "query");
  if (!given) return refuse(std::move(given.error()), {});
  fields_ = std::move(*given);
}

void upload::take_file(std::string_view bytes, std::shared_ptr<const void> holds) {
  if (holds_)
    return refuse({error_code::bad_request, "there are several files", "send one recording a request", {}}, file_field);
  file_ = bytes;
  holds_ = std::move(holds);
}

void upload::take_form(std::string_view content_type) {
  auto parts = parse_form(content_type, request_->body());
  if (!parts) return refuse(std::move(parts.error()), {});
  for (auto& part : *parts) {
    if (part.name == file_field) {
      take_file(part.content, request_);
    } else if (part.filename) {
      refuse({error_code::bad_request,
              "the form has a file " + in_quotes(shown(part.name)),
              "name the recording " + in_quotes(file_field),
              {}},
             part.name);
    } else if (part.content.size() > field_bytes_max || !is_utf8(part.content)) {
      refuse({error_code::bad_request,
              "the field " + in_quotes(shown(part.name)) + " is no short text in UTF-8",
              "at most " + std::to_string(field_bytes_max) + " bytes",
              {}},
             part.name);
    } else {
      fields_.emplace_back(std::move(part.name), part.content);
    }
  }
}

void upload::take_json() {
  // Base64 of more than that is no work for this thread, and a third longer than it need be.
  if (request_->body().size() > settings_.max_body_bytes)
    return refuse({error_code::payload_too_large,
                   "JSON may have " + std::to_string(settings_.max_body_bytes) + " bytes (max_body_bytes)",
                   "send the file as multipart/form-data, or as the body",
                   {}},
                  {});
  json_body document;
  auto root = read_json(*request_, document, "send a JSON object");
  if (!root) return refuse(std::move(root.error()), {});
  if (root->type() != element_type::OBJECT)
    return refuse({error_code::bad_request,
                   "The body must be a JSON object, found " + std::string(kind_of(*root)),
                   "send a JSON object",
                   {}},
                  {});
  for (const auto [key, value] : simdjson::dom::object(root->get_object().value_unsafe())) {
    if (value.is_null()) continue;
    if (key == "audio") {
      std::string_view text;
      auto bytes = value.get_string().get(text) == simdjson::SUCCESS ? from_base64(text) : std::nullopt;
      if (!bytes)
        return refuse({error_code::bad_request, "'audio' must be base64", "send the file's bytes in base64", {}},
                      "audio");
      auto own = std::make_shared<const std::string>(std::move(*bytes));
      take_file(*own, own);
      continue;
    }
    if (auto one = as_text(value)) {
      fields_.emplace_back(key, std::move(*one));
    } else if (value.type() == element_type::ARRAY) {
      for (const element each : simdjson::dom::array(value.get_array().value_unsafe()))
        if (auto text = as_text(each)) fields_.emplace_back(key, std::move(*text));
    } else {
      refuse({error_code::bad_request,
              in_quotes(shown(key)) + " must not be " + std::string(kind_of(value)),
              "send a text, a number, true or false, or a list of them",
              {}},
             std::string(key));
    }
  }
}

std::optional<std::string> upload::text(std::string_view name) const {
  for (auto f = fields_.rbegin(); f != fields_.rend(); ++f)
    if (f->first == name && !f->second.empty()) return f->second;
  return std::nullopt;
}

std::vector<std::string> upload::all(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [key, value] : fields_)
    if (key == name || (key.size() == name.size() + 2 && key.starts_with(name) && key.ends_with("[]")))
      out.push_back(value);
  return out;
}

bool upload::flag(std::string_view name, bool otherwise) {
  const auto value = text(name);
  if (!value) return otherwise;
  for (const char* yes : {"true", "1", "yes", "on"})
    if (equal_ignoring_case(*value, yes)) return true;
  for (const char* no : {"false", "0", "no", "off"})
    if (equal_ignoring_case(*value, no)) return false;
  refuse({error_code::bad_request,
          in_quotes(name) + " must be true or false, found " + in_quotes(shown(*value)),
          "send true or false",
          {}},
         std::string(name));
  return otherwise;
}

std::optional<double> upload::number(std::string_view name, double least, double most) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  double out = 0;
  const auto read = std::from_chars(value->data(), value->data() + value->size(), out);
  if (read.ec == std::errc() && read.ptr == value->data() + value->size() && out >= least && out <= most) return out;
  char range[64];
  std::snprintf(range, sizeof range, "a number from %g to %g", least, most);
  refuse({error_code::bad_request,
          in_quotes(name) + " must be a number in range, found " + in_quotes(shown(*value)),
          range,
          {}},
         std::string(name));
  return std::nullopt;
}

actors::recording_request upload::recording() {
  actors::recording_request out;
  out.file = std::as_bytes(std::span(file_));
  out.holds = std::move(holds_);
  out.model = text("model").value_or("");
  out.punctuate = flag("punctuate", true);
  out.hotwords = funasr_hotwords(text("hotwords").value_or(""));
  if (flag("itn", false))
    refuse({error_code::unprocessable,
            "'itn' cannot be true: numbers stay as they are spoken",
            "no inverse text normalisation is here; leave it out",
            {}},
           "itn");
  const auto most_s = static_cast<double>(settings_.max_request_timeout_ms) / 1000;
  if (const auto seconds = number("timeout", 0.001, most_s))
    out.timeout_ms = static_cast<std::uint64_t>(std::ceil(*seconds * 1000));
  out.peer = request_->client_address();
  return out;
}

std::vector<schema::field> recording_fields() {
  using s = schema;
  return {
      s::maybe("model", s::text().says("Default: the server's model for whole sounds, else for live speech")),
      s::maybe("punctuate", query_flag_schema().says("Default: true; needs a model for it")),
      s::maybe("hotwords", s::text().says("Words apart by spaces or commas; the answer tells whether they were used")),
      s::maybe("itn", query_flag_schema().says("Inverse text normalisation: false alone can be had")),
      s::maybe("timeout", s::text().says("In seconds: how long nothing may be heard before the request fails"))};
}

schema upload_form_schema(std::vector<schema::field> more) {
  auto fields = recording_fields();
  fields.insert(fields.begin(),
                schema::field{file_field, schema::text().says("WAV, MP3, FLAC, or Ogg with Vorbis or Opus")});
  fields.insert(fields.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  return schema::object(fields);
}

schema upload_json_schema() {
  using s = schema;
  auto fields = recording_fields();
  for (auto& f : fields) {
    if (f.name == "punctuate" || f.name == "itn") f.is = s::any_of({s::flag(), f.is});
    if (f.name == "timeout") f.is = s::any_of({seconds_schema(), f.is});
  }
  fields.insert(fields.begin(), s::field{"audio", s::text().says("The file in base64")});
  return s::object(fields);
}

}  // namespace troupe::http
