#include "tests/http/described.hpp"

#include <rapidjson/pointer.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

#include <cctype>

#include "http/core/openapi.hpp"

namespace troupe::http::tests {
namespace {

std::string text_of(const rapidjson::Pointer& pointer) {
  rapidjson::StringBuffer out;
  pointer.StringifyUriFragment(out);
  return out.GetString();
}

const rapidjson::Value* member(const rapidjson::Value* of, const std::string& name) {
  if (of == nullptr || !of->IsObject()) return nullptr;
  const auto found = of->FindMember(name.c_str());
  return found == of->MemberEnd() ? nullptr : &found->value;
}

}  // namespace

described::described(const route_table& routes, const config::settings& settings) {
  const auto text = openapi_json(routes.routes(), settings);
  document_.Parse<rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  if (document_.HasParseError()) document_.SetNull();
}

const rapidjson::Value* described::resolved(const rapidjson::Value& value) const {
  if (!value.IsObject() || !value.HasMember("$ref")) return &value;
  return rapidjson::Pointer(value["$ref"].GetString()).Get(document_);
}

rapidjson::Value described::inlined(const rapidjson::Value& schema,
                                    rapidjson::Document::AllocatorType& allocator) const {
  const auto* from = resolved(schema);
  if (from == nullptr) return rapidjson::Value("a reference to nothing");
  rapidjson::Value out(from->GetType());
  if (from->IsObject()) {
    for (const auto& m : from->GetObject()) {
      out.AddMember(rapidjson::Value(m.name, allocator), inlined(m.value, allocator), allocator);
    }
  } else if (from->IsArray()) {
    for (const auto& item : from->GetArray()) out.PushBack(inlined(item, allocator), allocator);
  } else {
    out.CopyFrom(*from, allocator);
  }
  return out;
}

std::string described::fault(const route& of, unsigned status, const std::string& content_type,
                             const std::string& body) const {
  const auto where = of.method + " " + of.pattern + ": ";
  auto method = of.method;
  for (auto& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto* operation = member(member(member(&document_, "paths"), of.pattern), method);
  const auto* answer = member(member(operation, "responses"), std::to_string(status));
  if (answer != nullptr) answer = resolved(*answer);
  if (answer == nullptr) return where + "status " + std::to_string(status) + " is not described: " + body;
  if (status == 304) return member(answer, "content") == nullptr && body.empty() ? "" : where + "304 has a body";
  const auto* form = member(member(answer, "content"), content_type.substr(0, content_type.find(';')));
  if (form == nullptr) return where + std::to_string(status) + " as " + content_type + " is not described";
  if (!content_type.starts_with("application/json")) return {};

  rapidjson::Document given, is;
  given.Parse(body.data(), body.size());
  if (given.HasParseError()) return where + "no JSON: " + body;
  static_cast<rapidjson::Value&>(is) = inlined((*form)["schema"], is.GetAllocator());
  const rapidjson::SchemaDocument compiled(is);
  rapidjson::SchemaValidator validator(compiled);
  if (given.Accept(validator)) return {};
  return where + std::to_string(status) + ": " + text_of(validator.GetInvalidDocumentPointer()) + " breaks '" +
         validator.GetInvalidSchemaKeyword() + "' at " + text_of(validator.GetInvalidSchemaPointer()) + ": " + body;
}

}  // namespace troupe::http::tests
