#include "http/core/schema.hpp"

#include <algorithm>

#include "http/json/json_write.hpp"

namespace troupe::http {
namespace {

std::string quoted(std::string_view text) { return json_out().value(text).str(); }

template <class Range, class Write>
std::string array_of(const Range& range, Write write) {
  json_out json;
  json.array();
  for (const auto& item : range) json.raw(write(item));
  return json.end_array().str();
}

schema of_type(std::string_view type) { return schema().with("type", quoted(type)); }

}  // namespace

schema schema::anything() { return {}; }
schema schema::text() { return of_type("string"); }
schema schema::number() { return of_type("number"); }
schema schema::integer() { return of_type("integer"); }
schema schema::flag() { return of_type("boolean"); }
schema schema::time() { return text().with("format", quoted("date-time")); }

schema schema::one_of(const std::vector<std::string>& words) { return text().with("enum", array_of(words, quoted)); }

schema schema::list(const schema& of) { return of_type("array").with("items", of.json()); }
schema schema::map(const schema& of) { return of_type("object").with("additionalProperties", of.json()); }

schema schema::object(const std::vector<field>& fields) {
  json_out properties, required;
  properties.object();
  required.array();
  for (const auto& f : fields) {
    properties.key(f.name).raw(f.is.json());
    if (f.required) required.value(f.name);
  }
  return of_type("object")
      .with("properties", properties.end_object().str())
      .with("required", required.end_array().str());
}

schema schema::any_of(const std::vector<schema>& forms) {
  return schema().with("anyOf", array_of(forms, [](const schema& s) { return s.json(); }));
}

schema schema::named(std::string_view component) {
  return schema().with("$ref", quoted("#/components/schemas/" + std::string(component)));
}

schema::field schema::maybe(std::string name, schema is) { return {std::move(name), std::move(is), false}; }

schema schema::nullable() const {
  auto out = *this;
  for (auto& [keyword, value] : out.keywords_) {
    if (keyword == "type") value.insert(0, 1, '[').append(R"(,"null"])");
    if (keyword == "enum") value.insert(value.size() - 1, ",null");
  }
  const bool typed = std::any_of(keywords_.begin(), keywords_.end(), [](const auto& k) { return k.first == "type"; });
  return typed ? out : any_of({*this, of_type("null")});
}

schema schema::says(std::string_view description) const { return with("description", quoted(description)); }

schema schema::matching(std::string_view pattern) const { return with("pattern", quoted(pattern)); }

schema schema::with(std::string_view keyword, std::string_view json) const {
  auto out = *this;
  out.keywords_.emplace_back(keyword, json);
  return out;
}

std::string schema::json() const {
  json_out out;
  out.object();
  for (const auto& [keyword, value] : keywords_) out.key(keyword).raw(value);
  return out.end_object().str();
}

}  // namespace troupe::http
