#include "http/core/schema.hpp"

#include <gtest/gtest.h>

namespace troupe::http {
namespace {

using s = schema;

TEST(routes_schema, shapes) {
  EXPECT_EQ(s::anything().json(), "{}");
  EXPECT_EQ(s::text().json(), R"({"type":"string"})");
  EXPECT_EQ(s::one_of({"a", "b"}).json(), R"({"type":"string","enum":["a","b"]})");
  EXPECT_EQ(s::list(s::integer()).json(), R"({"type":"array","items":{"type":"integer"}})");
  EXPECT_EQ(s::map(s::flag()).json(), R"({"type":"object","additionalProperties":{"type":"boolean"}})");
  EXPECT_EQ(s::time().json(), R"({"type":"string","format":"date-time"})");
  EXPECT_EQ(s::named("Error").json(), R"({"$ref":"#/components/schemas/Error"})");
  EXPECT_EQ(s::object({{"a", s::text()}, s::maybe("b", s::number())}).json(),
            R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number"}},"required":["a"]})");
}

TEST(routes_schema, null_beside_a_shape) {
  EXPECT_EQ(s::text().nullable().json(), R"({"type":["string","null"]})");
  EXPECT_EQ(s::one_of({"a"}).nullable().json(), R"({"type":["string","null"],"enum":["a",null]})");
  EXPECT_EQ(s::named("X").nullable().json(), R"({"anyOf":[{"$ref":"#/components/schemas/X"},{"type":"null"}]})");
}

TEST(routes_schema, what_is_said_is_json) {
  EXPECT_EQ(s::text().says("a \"b\"\n").json(), R"({"type":"string","description":"a \"b\"\n"})");
  EXPECT_EQ(s::text().matching("^\\S$").json(), R"({"type":"string","pattern":"^\\S$"})");
  const auto plain = s::number();
  EXPECT_EQ(plain.with("minimum", "0").json(), R"({"type":"number","minimum":0})");
  EXPECT_EQ(plain.json(), R"({"type":"number"})");  // a value: the one it was made of stays
}

}  // namespace
}  // namespace troupe::http
