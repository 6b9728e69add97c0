#include <gtest/gtest.h>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

struct routes_model_cache : ::testing::Test, bench {};

TEST_F(routes_model_cache, every_documented_field) {
  const std::pair<const char*, const char*> cases[] = {
      {"GET /", "/"},
      {"GET /health", "/health"},
      {"GET /models", "/models"},
      {"GET /models/{model_name}", "/models/alpha"},
      {"POST /models/{model_name}/load", "/models/beta/load"},
      {"POST /models/{model_name}/unload", "/models/beta/unload"},
      {"POST /models/{model_name}/warmup", "/models/beta/warmup"},
      {"POST /predict", "/predict?text=hello"},
      {"GET /stats", "/stats"},
      {"POST /cleanup", "/cleanup"},
  };
  for (const auto& [key, target] : cases) {
    const std::string method = std::string(key).substr(0, std::string(key).find(' '));
    const auto e = ask(method, target);
    EXPECT_EQ(e->answer->status, 200u) << key;
    EXPECT_EQ(e->answer->content_type, "application/json");
    ASSERT_TRUE(documented_responses().HasMember(key)) << key;
    expect_shape(documented_responses()[key], parse(e->answer->body), std::string(key) + " $");
  }
}

TEST_F(routes_model_cache, root_is_exactly_the_documents) {
  EXPECT_EQ(ask("GET", "/")->answer->body, R"({"status":"running","service":"model-cache"})");
}

TEST_F(routes_model_cache, health) {
  auto d = parse(ask("GET", "/health")->answer->body);
  EXPECT_STREQ(d["status"].GetString(), "healthy");
  EXPECT_STREQ(d["cache_status"].GetString(), "operational");
  EXPECT_EQ(d["models_cached"].GetInt(), 1);
  EXPECT_EQ(d["total_models"].GetInt(), 4);
  EXPECT_DOUBLE_EQ(d["cache_hit_rate"].GetDouble(), 0.9);
  EXPECT_DOUBLE_EQ(d["memory_usage"]["threshold"].GetDouble(), 80);
  EXPECT_DOUBLE_EQ(d["memory_usage"]["total_mb"].GetDouble(), 4096);
  EXPECT_GT(d["memory_usage"]["used_mb"].GetDouble(), 1);  // this process
  EXPECT_STREQ(d["last_cleanup"].GetString(), "2024-01-01T00:00:00Z");
  EXPECT_TRUE(d["ready"].GetBool());
  EXPECT_TRUE(d["version"].IsString());
  EXPECT_EQ(d["uptime_seconds"].GetInt(), 12);
  EXPECT_EQ(d["slots"]["total"].GetInt(), 2);

  service.now.cleanups.last.reset();
  EXPECT_TRUE(parse(ask("GET", "/health")->answer->body)["last_cleanup"].IsNull());
}

TEST_F(routes_model_cache, health_warns_of_a_registry_with_gaps) {
  EXPECT_FALSE(parse(ask("GET", "/health")->answer->body).HasMember("warnings"));
  service.now.registry_trouble = "registered.json:1:1: broken";
  const auto e = ask("GET", "/health");
  EXPECT_EQ(e->answer->status, 200u) << "what is there is served";
  const auto d = parse(e->answer->body);
  EXPECT_STREQ(d["status"].GetString(), "healthy");
  ASSERT_EQ(d["warnings"].Size(), 1u);
  EXPECT_STREQ(d["warnings"][0].GetString(), "registered.json:1:1: broken");
}

// The status alone must do for load balancers.
TEST_F(routes_model_cache, health_of_each_state) {
  using actors::health;
  const struct {
    health state;
    bool ready;
    std::vector<actors::missing_model> missing;
    unsigned health_status, ready_status;
    const char *status, *cache_status, *reason;
  } cases[] = {
      {health::healthy, true, {}, 200, 200, "healthy", "operational", ""},
      {health::starting,
       false,
       {{"beta", "it is still loading"}},
       503,
       503,
       "starting",
       "starting",
       "preloaded models are still loading"},
      {health::degraded,
       false,
       {{"beta", "no such folder"}, {"x", "it is not in the registry"}},
       200,
       503,
       "degraded",
       "operational",
       "preloaded model beta is missing: no such folder; and 1 more"},
      {health::degraded,
       true,
       {{"beta", "no such folder"}},
       200,
       200,
       "degraded",
       "operational",
       "preloaded model beta is missing: no such folder"},
      {health::draining, false, {}, 503, 503, "draining", "draining", "the server is shutting down"},
  };
  settings.api_keys = {"secret"};
  for (const auto& c : cases) {
    service.now.state = c.state;
    service.now.ready = c.ready;
    service.now.missing = c.missing;
    for (const std::string path : {"/health", "/health/ready"}) {
      const bool whole = path == "/health";
      const auto e = ask("GET", path);
      const auto status = whole ? c.health_status : c.ready_status;
      EXPECT_EQ(e->answer->status, status) << path << " " << c.status;
      EXPECT_EQ(e->header_of_answer("Cache-Control"), "no-store");
      EXPECT_EQ(e->header_of_answer("Retry-After"), status == 503 ? "1" : "");
      const auto d = parse(e->answer->body);
      EXPECT_STREQ(d["status"].GetString(), c.status);
      EXPECT_EQ(d["ready"].GetBool(), c.ready);
      EXPECT_EQ(d.HasMember("cache_status") ? d["cache_status"].GetString() : std::string(),
                whole ? c.cache_status : "");
      EXPECT_EQ(d.HasMember("reason") ? d["reason"].GetString() : std::string(), c.reason);
      ASSERT_EQ(d.HasMember("missing"), !c.missing.empty());
      for (std::size_t i = 0; i < c.missing.size(); ++i) {
        EXPECT_EQ(d["missing"][static_cast<unsigned>(i)]["model"].GetString(), c.missing[i].name);
        EXPECT_EQ(d["missing"][static_cast<unsigned>(i)]["reason"].GetString(), c.missing[i].why);
      }
      EXPECT_EQ(ask("HEAD", path)->answer->status, status);
    }
    const auto live = ask("GET", "/health/live");
    EXPECT_EQ(live->answer->status, 200u) << c.status;
    EXPECT_EQ(live->answer->body, R"({"status":"alive"})");
    EXPECT_EQ(ask("HEAD", "/health/live")->answer->status, 200u);
  }
  service.problem = error{error_code::unavailable, "the supervisor is gone", {}, {}};
  EXPECT_EQ(ask("GET", "/health/live")->answer->status, 200u);
  EXPECT_EQ(ask("GET", "/health/ready")->answer->status, 503u);
  EXPECT_EQ(ask("POST", "/health/ready")->answer->status, 401u);  // without a key nobody learns what is there
}

TEST_F(routes_model_cache, models_and_one_model) {
  const auto d = parse(ask("GET", "/models")->answer->body);
  EXPECT_EQ(d["models"].MemberCount(), 4u);
  EXPECT_STREQ(d["models"]["alpha"]["source"].GetString(), "Hugging Face");
  EXPECT_STREQ(d["models"]["alpha"]["cache_priority"].GetString(), "high");
  EXPECT_FALSE(d["models"]["beta"]["cached"].GetBool());
  EXPECT_TRUE(d["models"]["beta"]["last_accessed"].IsNull());
  EXPECT_DOUBLE_EQ(d["cache_summary"]["total_memory_usage_mb"].GetDouble(), 3);
  EXPECT_DOUBLE_EQ(d["cache_summary"]["available_memory_mb"].GetDouble(), 4093);

  const auto m = parse(ask("GET", "/models/alpha")->answer->body);
  EXPECT_STREQ(m["model_info"]["architecture"].GetString(), "BertForSequenceClassification");
  EXPECT_EQ(m["model_info"]["labels"].Size(), 5u);
  EXPECT_STREQ(m["state"].GetString(), "resident");
  EXPECT_TRUE(m["last_error"].IsNull());
  const auto b = parse(ask("GET", "/models/beta")->answer->body);
  EXPECT_TRUE(b["performance_metrics"]["avg_inference_time_ms"].IsNumber());
  EXPECT_EQ(b["performance_metrics"]["avg_inference_time_ms"].GetDouble(), 0);
  EXPECT_TRUE(b["model_info"]["size_mb"].IsNull());
  EXPECT_EQ(parse(ask("GET", "/models/org/gamma")->answer->body)["name"], "org/gamma");
  EXPECT_EQ(parse(ask("GET", "/models/org%2Fgamma")->answer->body)["name"], "org/gamma");
}

TEST_F(routes_model_cache, load_unload_warmup_wording) {
  EXPECT_STREQ(parse(ask("POST", "/models/beta/load")->answer->body)["message"].GetString(),
               "Model beta loaded successfully");
  EXPECT_EQ(service.called, "load beta 120000");
  ask("POST", "/models/org/gamma/load?timeout=1.5");
  EXPECT_EQ(service.called, "load org/gamma 1500");
  ask("POST", "/models/beta/warmup", R"({"timeout": 2})");
  EXPECT_EQ(service.called, "warmup beta 2000");
  EXPECT_STREQ(parse(ask("POST", "/models/beta/unload")->answer->body)["message"].GetString(),
               "Model beta unloaded successfully");
  service.already = true;
  EXPECT_STREQ(parse(ask("POST", "/models/beta/load")->answer->body)["message"].GetString(),
               "Model beta is already loaded");
  const auto d = parse(ask("POST", "/models/beta/unload")->answer->body);
  EXPECT_STREQ(d["message"].GetString(), "Model beta is already unloaded");
  EXPECT_EQ(d["memory_freed_mb"].GetDouble(), 0);
}

TEST_F(routes_model_cache, cleanup) {
  const auto d = parse(ask("POST", "/cleanup")->answer->body);
  EXPECT_EQ(d["cleanup_summary"]["models_unloaded"].GetInt(), 1);
  EXPECT_STREQ(d["cleanup_summary"]["cleanup_reason"].GetString(), "memory_threshold_exceeded");
  EXPECT_DOUBLE_EQ(d["memory_usage"]["freed_mb"].GetDouble(), 5);
}

TEST_F(routes_model_cache, metrics) {
  ask("GET", "/health");
  const auto e = ask("GET", "/metrics");
  EXPECT_TRUE(e->answer->content_type.starts_with("text/plain; version=0.0.4"));
  EXPECT_NE(e->answer->body.find(
                "troupe_http_request_duration_seconds_count{method=\"GET\",route=\"/health\",status=\"2xx\"} 1\n"),
            std::string::npos);
}

TEST_F(routes_model_cache, unknown_model_everywhere) {
  for (const char* target : {"GET /models/alhpa", "POST /models/alhpa/load", "POST /models/alhpa/unload",
                             "POST /models/alhpa/warmup", "POST /predict?text=a&model_name=alhpa"}) {
    const std::string t = target;
    const auto e = ask(t.substr(0, t.find(' ')), t.substr(t.find(' ') + 1));
    const auto d = expect_error(*e, 404, "MODEL_NOT_FOUND");
    EXPECT_STREQ(d["error"].GetString(), "Model alhpa not found");
    EXPECT_NE(std::string(d["detail"].GetString()).find("known models: alpha"), std::string::npos)
        << d["detail"].GetString();
  }
}

TEST_F(routes_model_cache, failures_of_the_service) {
  service.problem = error{error_code::insufficient_memory, "no room", "unload something", 3};
  const auto e = ask("POST", "/models/beta/load");
  const auto d = expect_error(*e, 503, "INSUFFICIENT_MEMORY");
  EXPECT_STREQ(d["detail"].GetString(), "no room: unload something");
  EXPECT_EQ(e->header_of_answer("Retry-After"), "3");
  service.problem = error{error_code::deadline_exceeded, "still loading", {}, {}};
  expect_error(*ask("POST", "/models/beta/load?timeout=1"), 504, "DEADLINE_EXCEEDED");
  expect_error(*ask("GET", "/stats"), 504, "DEADLINE_EXCEEDED");
  service.problem.reset();
  service.drop_reply = true;
  EXPECT_EQ(ask("POST", "/models/beta/load")->header_of_answer("Retry-After"), "1");
}

TEST_F(routes_model_cache, bad_timeouts_of_loads) {
  for (const char* q : {"timeout=x", "timeout=0", "timeout=-1", "timeout=1e300", "timeout=nan", "timeout=inf",
                        "timeout=601", "timeout=%zz"}) {
    expect_error(*ask("POST", std::string("/models/beta/load?") + q), 400, "BAD_REQUEST");
  }
  for (const char* body : {"[]", "{", R"({"timeout": "1"})", R"({"timeout": -1})"}) {
    expect_error(*ask("POST", "/models/beta/load", body), 400, "BAD_REQUEST");
  }
  // Also where the other one is good.
  expect_error(*ask("POST", "/models/beta/load?timeout=0", R"({"timeout": 2})"), 400, "BAD_REQUEST");
  expect_error(*ask("POST", "/models/beta/load?timeout=2", R"({"timeout": 0})"), 400, "BAD_REQUEST");
}

TEST_F(routes_model_cache, routing_errors) {
  expect_error(*ask("GET", "/nothing"), 404, "ROUTE_NOT_FOUND");
  const auto e = ask("GET", "/predict");
  expect_error(*e, 405, "METHOD_NOT_ALLOWED");
  EXPECT_EQ(e->header_of_answer("Allow"), "POST, OPTIONS");
  expect_error(*ask("GET", "/models/..%2f..%2fetc%2fpasswd"), 400, "BAD_REQUEST");
  EXPECT_EQ(ask("HEAD", "/health")->answer->status, 200u);
  EXPECT_EQ(ask("GET", "/health/")->answer->status, 200u);
}

TEST_F(routes_model_cache, what_the_edge_refused) {
  for (const auto& [status, code] : {std::pair{413u, "PAYLOAD_TOO_LARGE"},
                                     {431u, "HEADER_TOO_LARGE"},
                                     {414u, "URI_TOO_LONG"},
                                     {503u, "UNAVAILABLE"},
                                     {400u, "BAD_REQUEST"}}) {
    handle = make_handler(make_routes(), service, settings);
    auto x = std::make_shared<fake_exchange>();
    x->refused_ = status;
    x->refused_reason_ = "refused";
    x->method_ = "POST";
    x->path_ = "/predict";
    x->query_ = "text=a";
    handle(x);
    expect_error(*x, status, code);
    EXPECT_TRUE(service.predicted.empty());
  }
}

TEST_F(routes_model_cache, keys) {
  settings.api_keys = {"first-key", "second-key"};
  settings.admin_api_key = "admin-key";
  family_routes add({"tests", "An admin's"});
  add.post("/api/system/thing", [](const auto&, const exchange_ptr& e, const auto&) { e->respond({}); }).admin();
  extra = add.take();
  for (const char* open : {"/", "/health", "/metrics"}) EXPECT_EQ(ask("GET", open)->answer->status, 200u);
  for (const char* path : {"/models", "/stats", "/nothing", "/models/alpha"}) {
    const auto e = ask("GET", path);
    expect_error(*e, 401, "UNAUTHORIZED");
    EXPECT_EQ(e->header_of_answer("WWW-Authenticate"), "Bearer");
  }
  using headers = std::map<std::string, std::string>;
  for (const auto& h :
       {headers{{"Authorization", "Bearer wrong"}}, headers{{"X-API-Key", "first-ke"}},
        headers{{"X-API-Key", "first-key2"}}, headers{{"Authorization", "Bearer first-key,second-key"}}}) {
    expect_error(*ask("GET", "/models", {}, h), 403, "FORBIDDEN");
  }
  for (const auto& h : {headers{{"Authorization", "Bearer first-key"}}, headers{{"authorization", "bearer second-key"}},
                        headers{{"X-API-Key", "second-key"}}, headers{{"Authorization", "Bearer admin-key"}}}) {
    EXPECT_EQ(ask("GET", "/models", {}, h)->answer->status, 200u);
  }
  expect_error(*ask("POST", "/api/system/thing"), 401, "UNAUTHORIZED");
  expect_error(*ask("POST", "/api/system/thing", {}, {{"X-API-Key", "first-key"}}), 403, "FORBIDDEN");
  EXPECT_EQ(ask("POST", "/api/system/thing", {}, {{"Authorization", "Bearer admin-key"}})->answer->status, 200u);
  EXPECT_EQ(ask("OPTIONS", "/predict")->answer->status, 204u);  // a preflight has no key

  settings.admin_api_key.clear();
  const auto e = ask("POST", "/api/system/thing", {}, {{"X-API-Key", "first-key"}});
  EXPECT_NE(std::string(expect_error(*e, 403, "FORBIDDEN")["detail"].GetString()).find("ADMIN_API_KEY"),
            std::string::npos);
}

TEST_F(routes_model_cache, options_and_cors) {
  auto e = ask("OPTIONS", "/models/alpha/load");
  EXPECT_EQ(e->answer->status, 204u);
  EXPECT_EQ(e->header_of_answer("Allow"), "POST, OPTIONS");
  EXPECT_EQ(e->header_of_answer("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(ask("OPTIONS", "*")->answer->status, 204u);
  expect_error(*ask("OPTIONS", "/nothing"), 404, "ROUTE_NOT_FOUND");

  settings.cors_allow_origin = "https://app.example";
  handle = nullptr;
  e = ask("OPTIONS", "/predict", {}, {{"Origin", "https://app.example"}, {"Access-Control-Request-Method", "POST"}});
  EXPECT_EQ(e->answer->status, 204u);
  EXPECT_EQ(e->header_of_answer("Access-Control-Allow-Origin"), "https://app.example");
  EXPECT_NE(e->header_of_answer("Access-Control-Allow-Methods").find("POST"), std::string::npos);
  EXPECT_NE(e->header_of_answer("Access-Control-Allow-Headers").find("Content-Type"), std::string::npos);
  EXPECT_EQ(ask("GET", "/nothing")->header_of_answer("Access-Control-Allow-Origin"), "https://app.example");
  EXPECT_EQ(ask("GET", "/health")->header_of_answer("Access-Control-Allow-Origin"), "https://app.example");
}

}  // namespace
}  // namespace troupe::http::tests
