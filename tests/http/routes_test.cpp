// The table as a whole: who answers what goes wrong, in whose words, and how large a body may be.
#include "http/routes.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

// A family whose clients want `{"oops": CODE}`.
response write_oops(const error& why, std::string_view request_id, header_list headers) {
  auto out = error_response(why, request_id, std::move(headers));
  out.body = R"({"oops":")" + std::string(to_string(why.code)) + "\"}";
  return out;
}

// Never answers: what it was given is dropped.
void drop(const context&, const exchange_ptr&, const route_parameters&) {}

struct routes_families : ::testing::Test, bench {
  routes_families() {
    settings.api_keys = {"key"};
    family_routes add({"oops", "Words of their own", write_oops, "Oops", schema::object({{"oops", schema::text()}})});
    add.get("/oops/open", [](const auto&, const exchange_ptr& e, const auto&) { e->respond({}); }).open();
    add.get("/oops/throws", [](const auto&, const auto&, const auto&) { throw std::runtime_error("no"); });
    add.get("/oops/fails", [](const auto& c, const exchange_ptr& e, const auto&) {
      e->fail({error_code::conflict, c.settings.api_keys.front(), {}, {}});
    });
    add.get("/oops/unknown", [](const auto& c, const exchange_ptr& e, const auto&) {
      c.service.load("nobody", 1,
                     actors::one_shot<actors::load_report>([e](const auto& r) { e->fail(r ? error{} : r.error()); }));
    });
    add.get("/oops/dropped", drop);
    add.post("/oops/{model_name}/parts/{part}", [](const auto&, const exchange_ptr& e, const auto& in_path) {
      response out;
      out.body = in_path["model_name"] + " " + in_path["part"];
      e->respond(std::move(out));
    });
    add.post("/models/{model_name}/oops", drop);  // beside another family's
    add.post("/oops/upload", drop).large_body();
    extra = add.take();
  }
  std::map<std::string, std::string> with_key() const { return {{"X-API-Key", "key"}}; }
  void expect_oops(const fake_exchange& e, unsigned status, const std::string& code) {
    ASSERT_TRUE(e.answer);
    EXPECT_EQ(e.answer->status, status);
    EXPECT_EQ(e.answer->body, R"({"oops":")" + code + "\"}");
  }
  std::shared_ptr<fake_exchange> refused(unsigned status, const std::string& method, const std::string& path) {
    ask("GET", "/oops/open");  // makes the handler
    auto x = std::make_shared<fake_exchange>();
    x->refused_ = status;
    x->method_ = method;
    x->path_ = path;
    handle(x);
    return x;
  }
};

TEST_F(routes_families, parameters_reach_the_route_by_name) {
  EXPECT_EQ(ask("POST", "/oops/org/a/parts/x%20y", {}, with_key())->answer->body, "org/a x y");
}

TEST_F(routes_families, a_family_words_what_goes_wrong_under_its_paths) {
  expect_oops(*ask("GET", "/oops/throws"), 401, "UNAUTHORIZED");
  EXPECT_EQ(ask("GET", "/oops/throws")->header_of_answer("WWW-Authenticate"), "Bearer");
  expect_oops(*ask("GET", "/oops/throws", {}, {{"X-API-Key", "wrong"}}), 403, "FORBIDDEN");
  expect_oops(*ask("GET", "/oops/throws", {}, with_key()), 500, "INTERNAL");
  expect_oops(*ask("GET", "/oops/fails", {}, with_key()), 409, "CONFLICT");
  expect_oops(*ask("GET", "/oops/nothing", {}, with_key()), 404, "ROUTE_NOT_FOUND");
  expect_oops(*ask("GET", "/oops/%zz", {}, with_key()), 400, "BAD_REQUEST");
  expect_oops(*ask("POST", "/oops/-a/parts/x", {}, with_key()), 400, "BAD_REQUEST");
  const auto other = ask("GET", "/oops/a/parts/x", {}, with_key());
  expect_oops(*other, 405, "METHOD_NOT_ALLOWED");
  EXPECT_EQ(other->header_of_answer("Allow"), "POST, OPTIONS");
  // A path of a family's own in a place that it shares.
  expect_oops(*ask("GET", "/models/alpha/oops", {}, with_key()), 405, "METHOD_NOT_ALLOWED");
  expect_error(*ask("GET", "/models/alpha/load", {}, with_key()), 405, "METHOD_NOT_ALLOWED");
  expect_error(*ask("GET", "/models/alpha/nothing/at/all", {}, with_key()), 404, "ROUTE_NOT_FOUND");
  expect_error(*ask("GET", "/nothing", {}, with_key()), 404, "ROUTE_NOT_FOUND");
  expect_error(*ask("GET", "/models"), 401, "UNAUTHORIZED");
}

TEST_F(routes_families, a_family_words_what_the_edge_refused) {
  expect_oops(*refused(413, "POST", "/oops/upload"), 413, "PAYLOAD_TOO_LARGE");
  expect_oops(*refused(431, "GET", "/oops/anything"), 431, "HEADER_TOO_LARGE");
  expect_oops(*refused(413, "POST", "/models/alpha/oops"), 413, "PAYLOAD_TOO_LARGE");
  expect_error(*refused(413, "POST", "/predict"), 413, "PAYLOAD_TOO_LARGE");
  expect_error(*refused(400, "GET", "/"), 400, "BAD_REQUEST");
  EXPECT_EQ(refused(405, "GET", "/")->header_of_answer("Allow"), "GET, HEAD, POST, DELETE, PUT, OPTIONS");
}

// The exchange answers when the last one lets go of it (tests/http/edge/requests_test.cpp): by then it knows how.
TEST_F(routes_families, a_dropped_request_is_worded_by_its_family) {
  const auto e = send("GET", "/oops/dropped", {}, with_key());
  EXPECT_FALSE(e->answer);
  e->fail({error_code::unavailable, "The request was dropped", {}, {}});
  expect_oops(*e, 503, "UNAVAILABLE");
}

TEST_F(routes_families, a_service_that_drops_its_reply_is_worded_too) {
  service.drop_reply = true;
  expect_oops(*ask("GET", "/oops/unknown", {}, with_key()), 503, "UNAVAILABLE");
}

TEST_F(routes_families, options_of_all_paths_are_the_tables_methods) {
  EXPECT_EQ(ask("OPTIONS", "*")->header_of_answer("Allow"), "GET, HEAD, POST, DELETE, PUT, OPTIONS");
  family_routes add({"more", ""});
  add.add("PATCH", "/more", drop);
  extra = add.take();
  handle = nullptr;
  EXPECT_EQ(ask("OPTIONS", "*")->header_of_answer("Allow"), "GET, HEAD, POST, DELETE, PUT, PATCH, OPTIONS");
}

TEST_F(routes_families, bodies_are_as_large_as_their_route_says) {
  const auto table = make_routes(extra);
  constexpr std::uint64_t small_bytes = 65536;
  const auto limit = [&](const char* method, const char* path) { return table->body_limit(settings, method, path); };
  EXPECT_EQ(limit("POST", "/predict"), settings.max_body_bytes);
  EXPECT_EQ(limit("POST", "/predict/batch"), settings.max_body_bytes);
  EXPECT_EQ(limit("POST", "/oops/upload"), settings.max_body_bytes);
  EXPECT_EQ(limit("POST", "/models/a/load"), small_bytes);
  EXPECT_EQ(limit("POST", "/models/org%2Fa/load"), small_bytes);
  EXPECT_EQ(limit("POST", "/oops/a/parts/b"), small_bytes);
  EXPECT_EQ(limit("GET", "/models"), small_bytes);
  EXPECT_EQ(limit("HEAD", "/models"), small_bytes);
  // Whoever asks for what is not there is told that, not that it sent too much.
  EXPECT_EQ(limit("POST", "/nothing"), settings.max_body_bytes);
  settings.max_body_bytes = 1000;
  EXPECT_EQ(limit("POST", "/predict"), 1000u);
  EXPECT_EQ(limit("GET", "/models"), 1000u);
}

TEST(routes_table, a_row_that_cannot_be_served_throws) {
  family_routes add({"twice", ""});
  add.get("/models", drop);
  EXPECT_THROW(make_routes(add.take()), std::invalid_argument);
  EXPECT_THROW(make_routes({route{}}), std::invalid_argument);
}

TEST_F(routes_families, an_exception_of_a_route_is_answered) {
  family_routes add({"throws", ""});
  add.get("/throw", [](const auto&, const auto&, const auto&) { throw std::runtime_error("oops"); }).open();
  add.get("/full", [](const auto&, const auto&, const auto&) { throw std::bad_alloc(); }).open();
  add.get("/misnamed/{id}", [](const auto&, const auto&, const auto& in_path) { (void)in_path["name"]; }).open();
  extra = add.take();
  expect_error(*ask("GET", "/throw"), 500, "INTERNAL");
  expect_error(*ask("GET", "/full"), 503, "UNAVAILABLE");
  expect_error(*ask("GET", "/misnamed/1"), 500, "INTERNAL");
}

}  // namespace
}  // namespace troupe::http::tests
