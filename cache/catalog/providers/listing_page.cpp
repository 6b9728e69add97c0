#include "cache/catalog/providers/listing_page.hpp"

#include <string_view>
#include <utility>

#include "cache/artifacts/sources/urls.hpp"
#include "cache/catalog/providers/json_scalar.hpp"
#include "config/json_fault.hpp"

namespace troupe::cache {
namespace {

namespace ondemand = simdjson::ondemand;
constexpr std::size_t place_depth_max = 1024;  // of the search for the place of a fault
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

tl::unexpected<error> no_list(const std::string& what, const std::string& why) {
  return fail(error_code::unprocessable, what + " gives no list of models: " + why);
}

tl::unexpected<error> no_json(const std::string& what, std::string_view json, simdjson::error_code code) {
  const auto begin = json.find_first_not_of(" \t\r\n");
  if (begin == json.npos) return no_list(what, "the answer is empty");
  if (json[begin] == '<') return no_list(what, "it is a web page, or XML");
  if (const auto bad = config::find_bad_utf8(json); bad != json.npos)
    return no_list(what, "byte " + std::to_string(bad) + " is no UTF-8");
  const auto fault = config::find_json_fault(json, config::json_numbers::standard, place_depth_max);
  if (fault.message.empty()) return no_list(what, std::string("no JSON: ") + simdjson::error_message(code));
  return no_list(what, "no JSON at byte " + std::to_string(fault.offset) + " of " + std::to_string(json.size()) + ": " +
                           fault.message);
}

// Carries an error of JSON out of what returns `error`: the caller has the text, and finds the place.
tl::unexpected<error> broken(simdjson::error_code code) {
  return fail(error_code::internal, simdjson::error_message(code));
}

// What servers say in place of a list: {"error": "..."}, {"error": {"message": "..."}}, {"detail": "..."}.
simdjson::error_code read_complaint(ondemand::value& value, std::string& out) {
  json_scalar said;
  if (!std::string_view(value.raw_json_token()).starts_with('{')) {
    const auto why = read_scalar(value, said);
    if (said.kind != scalar_kind::absent) out = said.kind == scalar_kind::text ? shown(said.text) : "an error";
    return why;
  }
  ondemand::object object;
  if (const auto why = value.get_object().get(object)) return why;
  out = "an error";
  for (auto each : object) {
    ondemand::field field;
    if (const auto why = std::move(each).get(field)) return why;
    const bool is_message = key_of(field) == "message";
    if (!is_message) continue;
    if (const auto why = read_scalar(field.value(), said)) return why;
    if (said.kind == scalar_kind::text) out = shown(said.text);
  }
  return simdjson::SUCCESS;
}

// Nothing is behind the value that was read.
bool at_end(ondemand::document& document) { return document.current_location().error() == simdjson::OUT_OF_BOUNDS; }

void keep(const json_scalar& from, std::string& out) {
  out = from.kind == scalar_kind::text || from.kind == scalar_kind::number ? std::string(from.text) : std::string();
}

}  // namespace

// All members of the root but the list itself, which is passed over.
result<page_facts> page_reader::look_over(ondemand::document& document, const std::string& what) {
  page_facts out;
  ondemand::object root;
  if (const auto why = document.get_object().get(root)) return broken(why);
  bool data = false, models = false;
  std::string complaint;
  for (auto each : root) {
    ondemand::field field;
    if (const auto why = std::move(each).get(field)) return broken(why);
    const auto key = key_of(field);
    auto& value = field.value();
    json_scalar scalar;
    simdjson::error_code why = simdjson::SUCCESS;
    if (key == "data" || key == "models") {
      auto& there = key == "data" ? data : models;
      if (there) return no_list(what, "'" + std::string(key) + "' stands there twice");
      there = true;
    } else if (key == "error" || key == "message" || key == "detail") {
      if (complaint.empty() || key == "error") why = read_complaint(value, complaint);
    } else if (key == "has_more") {
      const auto token = std::string_view(value.raw_json_token());
      out.has_more = token.starts_with("true");
    } else if (key == "last_id" || key == "next_page_token" || key == "nextPageToken") {
      why = read_scalar(value, scalar);
      keep(scalar, key == "last_id" ? out.last_id : key == "nextPageToken" ? out.camel_token : out.page_token);
    }
    if (why) return broken(why);
  }
  if (!at_end(document)) return broken(simdjson::TRAILING_CONTENT);
  if (!data && !models)
    return no_list(what, complaint.empty() ? "it has neither 'data' nor 'models'" : "it says '" + complaint + "'");
  out.list = data ? "data" : "models";
  return out;
}

result<page_facts> page_reader::read(std::string& json, const std::string& what, const take_row& take) {
  json.reserve(json.size() + simdjson::SIMDJSON_PADDING);
  std::string_view text = json;
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  ondemand::document document;
  auto kind = ondemand::json_type::null;
  if (const auto why = parser_.iterate(text, text.size() + simdjson::SIMDJSON_PADDING).get(document))
    return no_json(what, text, why);
  if (const auto why = document.type().get(kind)) return no_json(what, text, why);
  if (kind != ondemand::json_type::array && kind != ondemand::json_type::object)
    return no_list(what, "it is neither an object nor a list");
  page_facts facts;
  ondemand::array rows;
  auto why = simdjson::SUCCESS;
  if (kind == ondemand::json_type::object) {
    auto seen = look_over(document, what);
    if (!seen) return seen.error().code == error_code::internal ? no_json(what, text, simdjson::TAPE_ERROR) : seen;
    facts = std::move(*seen);
    document.rewind();
    ondemand::value list;
    if ((why = document.find_field(facts.list).get(list))) return no_json(what, text, why);
    const auto token = std::string_view(list.raw_json_token());
    if (token.starts_with("null")) return facts;  // Go's servers write so what has no rows
    if (!token.starts_with('[')) return no_list(what, "'" + facts.list + "' is no list");
    why = list.get_array().get(rows);
  } else {
    why = document.get_array().get(rows);
  }
  if (why) return no_json(what, text, why);
  for (auto each : rows) {
    ondemand::value row;
    if ((why = std::move(each).get(row))) return no_json(what, text, why);
    const auto taken = take(facts, row);
    if (!taken) return tl::unexpected(taken.error());
    if (*taken) return no_json(what, text, *taken);
  }
  if (kind == ondemand::json_type::array && !at_end(document)) return no_json(what, text, simdjson::TRAILING_CONTENT);
  return facts;
}

}  // namespace troupe::cache
