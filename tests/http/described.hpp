#pragma once
// A table's OpenAPI document, to hold answers against: none may be another than it says.

#include <rapidjson/document.h>

#include <string>

#include "http/core/route_table.hpp"

namespace troupe::http::tests {

class described {
 public:
  described(const route_table& routes, const config::settings& settings);

  // What of this answer to a route is not as the document says; empty: nothing.
  std::string fault(const route& of, unsigned status, const std::string& content_type, const std::string& body) const;

  const rapidjson::Document& document() const { return document_; }
  // `value`, or what its $ref names in the document; null: nothing.
  const rapidjson::Value* resolved(const rapidjson::Value& value) const;

 private:
  // A schema without references: RapidJSON's validator knows those of its own document only.
  rapidjson::Value inlined(const rapidjson::Value& schema, rapidjson::Document::AllocatorType& allocator) const;

  rapidjson::Document document_;
};

}  // namespace troupe::http::tests
