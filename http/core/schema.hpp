#pragma once
// The shape of a value in JSON Schema's words (2020-12, as OpenAPI 3.1 takes it), said in few: families describe
// with it what they take and answer. A value: every function gives another schema.
//
//   schema::object({{"name", schema::text()}, schema::maybe("seen", schema::time().nullable())})

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::http {

class schema {
 public:
  struct field;

  static schema anything();
  static schema text();
  static schema number();
  static schema integer();
  static schema flag();
  static schema time();  // ISO 8601, UTC
  static schema one_of(const std::vector<std::string>& words);
  static schema list(const schema& of);
  static schema map(const schema& of);                     // an object with any keys
  static schema object(const std::vector<field>& fields);  // more keys may be there
  static schema any_of(const std::vector<schema>& forms);
  static schema named(std::string_view component);  // one of the document's components

  // A field of an object that is not always there.
  static field maybe(std::string name, schema is);

  schema nullable() const;
  schema says(std::string_view description) const;
  schema matching(std::string_view pattern) const;  // of a text: a regular expression that it has a match of
  // Any other keyword with its value, which is JSON: with("minimum", "0").
  schema with(std::string_view keyword, std::string_view json) const;

  std::string json() const;

 private:
  std::vector<std::pair<std::string, std::string>> keywords_;  // in order; values are JSON
};

struct schema::field {
  std::string name;
  schema is;
  bool required = true;
};

}  // namespace troupe::http
