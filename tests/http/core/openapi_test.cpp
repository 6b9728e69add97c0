#include "http/core/openapi.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <set>

#include "config/version.hpp"
#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

struct routes_openapi : ::testing::Test, bench {
  rapidjson::Document ask_document() { return parse(ask("GET", "/openapi.json")->answer->body); }
};

// Calls `f` with each value named `key`, wherever it stands.
template <class F>
void for_each_named(const rapidjson::Value& in, const std::string& key, F f) {
  if (in.IsObject()) {
    for (const auto& m : in.GetObject()) {
      if (m.name == key.c_str()) f(m.value);
      for_each_named(m.value, key, f);
    }
  } else if (in.IsArray()) {
    for (const auto& item : in.GetArray()) for_each_named(item, key, f);
  }
}

TEST_F(routes_openapi, every_route_is_in_it) {
  const auto d = ask_document();
  EXPECT_STREQ(d["openapi"].GetString(), "3.1.0");
  EXPECT_EQ(d["info"]["version"].GetString(), std::string(version::project));
  std::set<std::string> ids, tags;
  for (const auto& t : d["tags"].GetArray()) tags.insert(t["name"].GetString());
  std::size_t operations = 0;
  for (const auto& path : d["paths"].GetObject()) operations += path.value.MemberCount();
  EXPECT_EQ(operations, routes->routes().size());
  for (const auto& r : routes->routes()) {
    const auto where = r.method + " " + r.pattern;
    auto method = r.method;
    for (auto& c : method) c = static_cast<char>(std::tolower(c));
    ASSERT_TRUE(d["paths"].HasMember(r.pattern.c_str())) << where;
    ASSERT_TRUE(d["paths"][r.pattern.c_str()].HasMember(method.c_str())) << where;
    const auto& operation = d["paths"][r.pattern.c_str()][method.c_str()];
    EXPECT_GT(operation["summary"].GetStringLength(), 3u) << where;
    const bool live = operation["responses"].HasMember("101");  // answered by a WebSocket, if at all
    EXPECT_NE(live, operation["responses"].HasMember("200")) << where;
    EXPECT_TRUE(ids.insert(operation["operationId"].GetString()).second) << where;
    EXPECT_TRUE(tags.contains(operation["tags"][0].GetString())) << where;
  }
}

TEST_F(routes_openapi, every_reference_leads_somewhere) {
  const auto d = ask_document();
  std::size_t references = 0;
  for_each_named(d, "$ref", [&](const rapidjson::Value& target) {
    ++references;
    rapidjson::Value reference(rapidjson::kObjectType);
    rapidjson::Document scratch;
    reference.AddMember("$ref", rapidjson::Value(target, scratch.GetAllocator()), scratch.GetAllocator());
    EXPECT_NE(document->resolved(reference), nullptr) << target.GetString();
  });
  EXPECT_GT(references, 100u);
}

TEST_F(routes_openapi, parameters_and_bodies) {
  const auto d = ask_document();
  const auto& load = d["paths"]["/models/{model_name}/load"]["post"];
  ASSERT_EQ(load["parameters"].Size(), 2u);
  EXPECT_STREQ(load["parameters"][0]["name"].GetString(), "model_name");
  EXPECT_STREQ(load["parameters"][0]["in"].GetString(), "path");
  EXPECT_TRUE(load["parameters"][0]["required"].GetBool());
  EXPECT_STREQ(load["parameters"][1]["name"].GetString(), "timeout");
  EXPECT_STREQ(load["parameters"][1]["in"].GetString(), "query");
  EXPECT_FALSE(load["parameters"][1]["required"].GetBool());
  for (const char* status : {"200", "400", "404", "409", "413", "422", "500", "503", "504"}) {
    EXPECT_TRUE(load["responses"].HasMember(status)) << status;
  }
  const auto& predict = d["paths"]["/predict"]["post"];
  EXPECT_TRUE(predict["requestBody"]["content"].HasMember("application/x-www-form-urlencoded"));
  EXPECT_TRUE(predict["responses"]["200"]["content"].HasMember("text/event-stream"));
  EXPECT_FALSE(predict["requestBody"]["required"].GetBool());
  EXPECT_TRUE(d["paths"]["/predict/batch"]["post"]["requestBody"]["required"].GetBool());
  EXPECT_FALSE(d["paths"]["/stats"]["get"].HasMember("requestBody"));
  EXPECT_FALSE(d["paths"]["/stats"]["get"].HasMember("parameters"));
  EXPECT_FALSE(d["paths"]["/stats"]["get"]["responses"].HasMember("404"));
}

TEST_F(routes_openapi, keys_are_told_where_they_are_needed) {
  const auto open = ask_document();
  EXPECT_EQ(open["paths"]["/models"]["get"]["security"].Size(), 0u);
  EXPECT_FALSE(open["paths"]["/models"]["get"]["responses"].HasMember("401"));

  family_routes add({"admin", "An admin's"});
  add.post("/api/system/thing", [](const auto&, const exchange_ptr& e, const auto&) { e->respond({}); }).admin();
  extra = add.take();
  settings.api_keys = {"key"};
  handle = nullptr;
  EXPECT_EQ(ask("GET", "/openapi.json")->answer->status, 401u);
  const auto d = parse(ask("GET", "/openapi.json", {}, {{"X-API-Key", "key"}})->answer->body);
  for (const char* path : {"/models", "/openapi.json"}) {
    const auto& get = d["paths"][path]["get"];
    ASSERT_EQ(get["security"].Size(), 2u) << path;
    EXPECT_TRUE(get["security"][0].HasMember("bearer") && get["security"][1].HasMember("api_key"));
    EXPECT_TRUE(get["responses"].HasMember("401") && get["responses"].HasMember("403"));
  }
  EXPECT_EQ(d["paths"]["/api/system/thing"]["post"]["security"].Size(), 2u);
  EXPECT_EQ(d["paths"]["/health"]["get"]["security"].Size(), 0u);
  EXPECT_FALSE(d["paths"]["/health"]["get"]["responses"].HasMember("401"));
  EXPECT_TRUE(d["components"]["securitySchemes"].HasMember("bearer"));
}

TEST_F(routes_openapi, a_family_tells_its_own_shape_of_errors) {
  family_routes add({"other", "Words of their own", error_response, "Other", schema::map(schema::text())});
  add.get("/other/{id}/of/{kind}", [](const auto&, const exchange_ptr& e, const auto&) { e->respond({}); })
      .fails(404, "No such thing");
  extra = add.take();
  const auto d = ask_document();
  const auto& responses = d["paths"]["/other/{id}/of/{kind}"]["get"]["responses"];
  EXPECT_STREQ(responses["400"]["$ref"].GetString(), "#/components/responses/Other400");
  EXPECT_STREQ(responses["404"]["description"].GetString(), "No such thing");
  EXPECT_STREQ(responses["404"]["content"]["application/json"]["schema"]["$ref"].GetString(),
               "#/components/schemas/Other");
  EXPECT_TRUE(d["components"]["schemas"].HasMember("Error") && d["components"]["schemas"].HasMember("Other"));
  EXPECT_EQ(d["paths"]["/other/{id}/of/{kind}"]["get"]["parameters"].Size(), 2u);
}

// The judge of the other tests' answers (bench::ask) does judge.
TEST_F(routes_openapi, an_answer_of_another_shape_is_found) {
  const auto body = ask("GET", "/models/alpha")->answer->body;
  const auto found = routes->match("GET", "/models/alpha");
  ASSERT_TRUE(found);
  const auto& of = routes->routes()[found->index];
  const auto fault = [&](unsigned status, const std::string& type, const std::string& text) {
    return document->fault(of, status, type, text);
  };
  EXPECT_EQ(fault(200, "application/json", body), "");
  EXPECT_NE(fault(418, "application/json", body).find("418"), std::string::npos);
  EXPECT_NE(fault(200, "text/html", body).find("text/html"), std::string::npos);
  EXPECT_NE(fault(200, "application/json", "{}").find("required"), std::string::npos);
  auto wrong = body;
  wrong.replace(wrong.find("\"cached\":true"), 13, "\"cached\":\"no\"");
  EXPECT_NE(fault(200, "application/json", wrong).find("/cached"), std::string::npos);
  EXPECT_NE(fault(404, "application/json", body), "");  // an error is the envelope
}

}  // namespace
}  // namespace troupe::http::tests
