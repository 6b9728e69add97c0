#include "http/core/router.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace troupe::http {
namespace {

struct table : router {
  table() {
    add("GET", "/", 0);
    add("GET", "/models", 1);
    add("GET", "/models/{model_name}", 2);
    add("POST", "/models/{model_name}/load", 3);
    add("POST", "/models/download", 4);
    add("GET", "/models/download/{model_name}/info", 5);
    add("GET", "/models/download/status/{model_name}", 6);
    add("POST", "/predict", 7);
    add("DELETE", "/predict", 8);
    add("GET", "/things/{id}", 9);
    add("POST", "/v2/models/{model_name}/versions/{version}/infer", 10);
    add("GET", "/v2/models/{model_name}/versions/{number}", 11);
    add("GET", "/v2/models/{model_name}", 12);
    add("GET", "/things/{thing}/parts/{part}", 13);
    add("GET", "/things/{kind}/{name}/whole", 14);
    add("GET", "/catalog/models", 15);
    add("GET", "/catalog/models/{catalog_id}", 16);
  }
};

std::string allow_of(const router& r, std::string_view method, std::string_view path) {
  const auto found = r.match(method, path);
  return found ? std::string() : found.error().allow;
}

TEST(routes_router, matches) {
  const struct {
    const char *method, *path;
    std::size_t index;
    std::map<std::string, std::string> parameters;
  } cases[] = {
      {"GET", "/", 0, {}},
      {"GET", "/catalog/models", 15, {}},
      {"GET", "/catalog/models/", 15, {}},
      {"GET", "/catalog/models/a", 16, {{"catalog_id", "a"}}},
      {"GET", "/catalog/models/a/b:free", 16, {{"catalog_id", "a/b:free"}}},
      {"GET", "/catalog/models/a%2Fb/c//d%20%3F", 16, {{"catalog_id", "a/b/c//d ?"}}},
      {"HEAD", "/catalog/models/%2e%2e/..", 16, {{"catalog_id", "../.."}}},
      {"GET", "/models", 1, {}},
      {"GET", "/models/", 1, {}},
      {"HEAD", "/models", 1, {}},
      {"GET", "/models/bert", 2, {{"model_name", "bert"}}},
      {"GET", "/models/bert/", 2, {{"model_name", "bert"}}},
      {"GET", "/models/org/bert", 2, {{"model_name", "org/bert"}}},
      {"GET", "/models/org%2Fbert", 2, {{"model_name", "org/bert"}}},
      {"GET", "/models/org%2fbert", 2, {{"model_name", "org/bert"}}},
      {"POST", "/models/bert/load", 3, {{"model_name", "bert"}}},
      {"POST", "/models/org/bert/load", 3, {{"model_name", "org/bert"}}},
      {"POST", "/models/org%2Fbert/load", 3, {{"model_name", "org/bert"}}},
      {"POST", "/models/b%65rt/load", 3, {{"model_name", "bert"}}},
      {"POST", "/models/download", 4, {}},
      {"GET", "/models/download/org/bert/info", 5, {{"model_name", "org/bert"}}},
      {"GET", "/models/download/status/1234abcd", 6, {{"model_name", "1234abcd"}}},
      {"DELETE", "/predict", 8, {}},
      {"GET", "/things/a%20b%3A!", 9, {{"id", "a b:!"}}},
      {"GET", "/things/a%2Fb", 9, {{"id", "a/b"}}},
      {"POST", "/v2/models/bert/versions/3/infer", 10, {{"model_name", "bert"}, {"version", "3"}}},
      {"POST", "/v2/models/org/bert/versions/3%2F4/infer", 10, {{"model_name", "org/bert"}, {"version", "3/4"}}},
      {"POST", "/v2/models/org%2Fbert/versions/a%20b/infer", 10, {{"model_name", "org/bert"}, {"version", "a b"}}},
      {"GET", "/v2/models/bert/versions/3", 11, {{"model_name", "bert"}, {"number", "3"}}},
      {"GET", "/v2/models/org/bert", 12, {{"model_name", "org/bert"}}},
      // One segment leads nowhere, two do: what the first try took is forgotten.
      {"GET", "/v2/models/versions/versions", 12, {{"model_name", "versions/versions"}}},
      {"GET", "/v2/models/bert/versions/versions", 11, {{"model_name", "bert"}, {"number", "versions"}}},
      {"GET", "/v2/models/org/versions/versions/1", 11, {{"model_name", "org/versions"}, {"number", "1"}}},
      {"POST",
       "/v2/models/a/versions/versions/versions/infer",
       10,
       {{"model_name", "a/versions"}, {"version", "versions"}}},
      {"GET", "/things/a/parts/b", 13, {{"thing", "a"}, {"part", "b"}}},
      {"GET", "/things/a/parts/whole", 13, {{"thing", "a"}, {"part", "whole"}}},
      {"GET", "/things/a/b/whole", 14, {{"kind", "a"}, {"name", "b"}}},
  };
  const table r;
  for (const auto& c : cases) {
    const auto found = r.match(c.method, c.path);
    ASSERT_TRUE(found) << c.method << " " << c.path << ": " << found.error().why.message;
    EXPECT_EQ(found->index, c.index) << c.path;
    ASSERT_EQ(found->parameters.size(), c.parameters.size()) << c.path;
    for (const auto& [name, value] : c.parameters) EXPECT_EQ(found->parameters[name], value) << c.path;
  }
}

TEST(routes_router, refuses) {
  const struct {
    const char *method, *path;
    error_code code;
  } cases[] = {
      {"GET", "/nothing", error_code::route_not_found},
      {"GET", "//", error_code::route_not_found},
      {"GET", "//models", error_code::route_not_found},
      {"GET", "models", error_code::route_not_found},
      {"GET", "", error_code::route_not_found},
      {"GET", "*", error_code::route_not_found},
      {"GET", "/Models", error_code::route_not_found},
      {"POST", "/models/a/b/c/load", error_code::route_not_found},
      {"GET", "/things/a/b", error_code::route_not_found},
      {"GET", "/things/a/b/c", error_code::route_not_found},
      {"POST", "/v2/models/a/b/c/versions/1/infer", error_code::route_not_found},
      {"POST", "/v2/models/-a/versions/1/infer", error_code::bad_request},
      {"POST", "/v2/models/a/versions/%2e%2e/infer", error_code::bad_request},
      {"GET", "/v2/models/a/versions/1/infer", error_code::method_not_allowed},
      {"GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r", error_code::route_not_found},
      {"POST", "/models//load", error_code::bad_request},
      {"GET", "/models/..", error_code::bad_request},
      {"GET", "/models/../etc", error_code::bad_request},
      {"GET", "/models/./etc", error_code::bad_request},
      {"GET", "/models/%2e%2e", error_code::bad_request},
      {"GET", "/models/%2E%2e/%2e%2e/etc/passwd", error_code::bad_request},
      {"GET", "/models/%2f..", error_code::bad_request},
      {"GET", "/models/..%2f..%2fetc%2fpasswd", error_code::bad_request},
      {"GET", "/models/a%5c..%5cb", error_code::bad_request},
      {"GET", "/things/%2e%2e", error_code::bad_request},
      {"GET", "/models/%252e%252e", error_code::bad_request},
      {"GET", "/models/a..b", error_code::bad_request},
      {"GET", "/models/%", error_code::bad_request},
      {"GET", "/models/%4", error_code::bad_request},
      {"GET", "/models/%zz", error_code::bad_request},
      {"GET", "/models/%ff", error_code::bad_request},
      {"GET", "/%c0%ae%c0%ae/x", error_code::bad_request},
      {"GET", "/models/a%00b", error_code::bad_request},
      {"GET", "/models/a%0d%0ab", error_code::bad_request},
      {"GET", "/models/a%2Fb%2Fc", error_code::bad_request},
      {"GET", "/models/a b", error_code::bad_request},
      {"GET", "/models/-a", error_code::bad_request},
      {"GET", "/models/.hidden", error_code::bad_request},
      {"POST", "/models", error_code::method_not_allowed},
      {"GET", "/predict", error_code::method_not_allowed},
      {"GET", "/models/download", error_code::method_not_allowed},
      {"GET", "/models/bert/load", error_code::method_not_allowed},
      {"BREW", "/", error_code::method_not_allowed},
  };
  const table r;
  for (const auto& c : cases) {
    const auto found = r.match(c.method, c.path);
    ASSERT_FALSE(found) << c.method << " " << c.path;
    const auto& why = found.error().why;
    EXPECT_EQ(why.code, c.code) << c.path << ": " << why.message;
    EXPECT_EQ(found.error().allow.empty(), c.code != error_code::method_not_allowed);
    EXPECT_FALSE(why.message.empty());
    EXPECT_LT(why.message.size(), 400u);
  }
  EXPECT_FALSE(r.match("GET", "/models/" + std::string(129, 'a')));
  EXPECT_EQ(allow_of(r, "GET", "/predict"), "POST, DELETE, OPTIONS");
  EXPECT_EQ(r.allowed("/models"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(r.allowed("/nothing"), "");
  EXPECT_EQ(r.allowed("*"), "GET, HEAD, POST, DELETE, OPTIONS");  // of all routes
  EXPECT_EQ(router().allowed("*"), "OPTIONS");
}

// What a path has in common with a route, where it is not served.
TEST(routes_router, a_miss_names_a_route_of_its_path) {
  const table r;
  const auto sibling = [&](const char* method, const char* path) { return r.match(method, path).error().sibling; };
  EXPECT_EQ(sibling("GET", "/predict"), 7u);
  EXPECT_EQ(sibling("GET", "/models/-a"), 2u);
  EXPECT_EQ(sibling("DELETE", "/v2/models/org/a/versions/1/infer"), 10u);
  EXPECT_FALSE(sibling("GET", "/nothing"));
  // In the words of the route's family, whatever is wrong with the path.
  for (const auto* bad : {"/models/%zz", "/models/%00", "/models/a%0Ab", "/models/%ff", "/models/.."})
    EXPECT_EQ(sibling("GET", bad), 2u) << bad;
  EXPECT_FALSE(sibling("GET", "/nothing/%zz"));
}

TEST(routes_router, unknown_routes_name_near_ones) {
  const auto found = table{}.match("GET", "/model");
  ASSERT_FALSE(found);
  const auto& detail = found.error().why.detail;
  EXPECT_TRUE(detail.starts_with("known routes: /models")) << detail;
  EXPECT_FALSE(table{}.match("GET", "/" + std::string(40000, 'a')));
}

TEST(routes_router, programming_errors_throw) {
  router r;
  r.add("GET", "/a", 0);
  EXPECT_THROW(r.add("GET", "/a", 1), std::invalid_argument);
  EXPECT_THROW(r.add("GET", "a", 1), std::invalid_argument);
  for (const char* bad : {"/{x}/{x}", "/b/{}", "/{model_name}/with/{model_name}"}) {
    EXPECT_THROW(r.add("GET", bad, 1), std::invalid_argument) << bad;
  }
  // A place has parameters of one kind.
  r.add("GET", "/models/{model_name}", 1);
  r.add("GET", "/things/{id}", 2);
  EXPECT_THROW(r.add("GET", "/models/{id}/x", 3), std::invalid_argument);
  EXPECT_THROW(r.add("GET", "/things/{model_name}/x", 3), std::invalid_argument);
  r.add("GET", "/things/{other}/x", 3);  // another name of the same kind is none of them
  EXPECT_EQ(r.match("GET", "/things/1/x")->parameters["other"], "1");
  EXPECT_THROW(r.match("GET", "/things/1/x")->parameters["id"], std::out_of_range);
}

}  // namespace
}  // namespace troupe::http
