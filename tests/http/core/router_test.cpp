#include <gtest/gtest.h>

#include "http/core/router.hpp"

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
  }
};

TEST(routes_router, matches) {
  const struct {
    const char *method, *path;
    std::size_t index;
    const char* parameter;
  } cases[] = {
      {"GET", "/", 0, ""},
      {"GET", "/models", 1, ""},
      {"GET", "/models/", 1, ""},
      {"HEAD", "/models", 1, ""},
      {"GET", "/models/bert", 2, "bert"},
      {"GET", "/models/bert/", 2, "bert"},
      {"GET", "/models/org/bert", 2, "org/bert"},
      {"GET", "/models/org%2Fbert", 2, "org/bert"},
      {"GET", "/models/org%2fbert", 2, "org/bert"},
      {"POST", "/models/bert/load", 3, "bert"},
      {"POST", "/models/org/bert/load", 3, "org/bert"},
      {"POST", "/models/org%2Fbert/load", 3, "org/bert"},
      {"POST", "/models/b%65rt/load", 3, "bert"},
      {"POST", "/models/download", 4, ""},
      {"GET", "/models/download/org/bert/info", 5, "org/bert"},
      {"GET", "/models/download/status/1234abcd", 6, "1234abcd"},
      {"DELETE", "/predict", 8, ""},
      {"GET", "/things/a%20b%3A!", 9, "a b:!"},
      {"GET", "/things/a%2Fb", 9, "a/b"},
  };
  const table r;
  for (const auto& c : cases) {
    std::string allow;
    const auto found = r.match(c.method, c.path, allow);
    ASSERT_TRUE(found) << c.method << " " << c.path << ": " << found.error().message;
    EXPECT_EQ(found->index, c.index) << c.path;
    EXPECT_EQ(found->parameter, c.parameter);
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
    std::string allow;
    const auto found = r.match(c.method, c.path, allow);
    ASSERT_FALSE(found) << c.method << " " << c.path;
    EXPECT_EQ(found.error().code, c.code) << c.path << ": " << found.error().message;
    EXPECT_EQ(allow.empty(), c.code != error_code::method_not_allowed);
    EXPECT_FALSE(found.error().message.empty());
    EXPECT_LT(found.error().message.size(), 400u);
  }
  std::string allow;
  EXPECT_FALSE(r.match("GET", "/models/" + std::string(129, 'a'), allow));
  EXPECT_FALSE(r.match("GET", "/predict", allow));
  EXPECT_EQ(allow, "POST, DELETE, OPTIONS");
  EXPECT_EQ(r.allowed("/models"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(r.allowed("/nothing"), "");
  EXPECT_FALSE(r.allowed("*").empty());
}

TEST(routes_router, unknown_routes_name_near_ones) {
  std::string allow;
  const auto found = table{}.match("GET", "/model", allow);
  ASSERT_FALSE(found);
  EXPECT_TRUE(found.error().detail.starts_with("known routes: /models")) << found.error().detail;
  EXPECT_FALSE(table{}.match("GET", "/" + std::string(40000, 'a'), allow));
}

TEST(routes_router, programming_errors_throw) {
  router r;
  r.add("GET", "/a", 0);
  EXPECT_THROW(r.add("GET", "/a", 1), std::invalid_argument);
  EXPECT_THROW(r.add("GET", "a", 1), std::invalid_argument);
  EXPECT_THROW(r.add("GET", "/{x}/{y}", 1), std::invalid_argument);
}

}  // namespace
}  // namespace troupe::http
