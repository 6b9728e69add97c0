// Document 003: what each route asks of the service, and what it makes of the answer.

#include <gtest/gtest.h>

#include "config/machine.hpp"
#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

using actors::residency;
using calls = std::vector<std::string>;

// The fake's models, of other tasks, and beside them: streaming_asr (resident), punctuation, vad (disabled), named
// (whose task nobody knows).
struct routes_lifecycle : ::testing::Test, bench {
  routes_lifecycle() {
    auto& asr = add("streaming_asr", "automatic-speech-recognition");
    asr.registration.display_name = "FunASR Paraformer-zh-streaming";
    asr.registration.description = "Real-time Chinese speech recognition model";
    asr.registration.version = "1.2.7";
    asr.registration.provider = "FunASR";
    asr.registration.language = "Chinese (Mandarin)";
    asr.registration.capabilities = {"streaming", "real-time", "incremental"};
    asr.state = residency::resident;
    asr.memory_bytes = 3 << 20;
    asr.load_time_s = 0.25;
    asr.load_id = "load_4";
    asr.resident_s = 5400;
    asr.last_accessed = std::chrono::system_clock::time_point(std::chrono::seconds(1704067200));
    asr.counts.accesses = 10;
    asr.counts.answered = 9;
    asr.counts.failed = 1;
    asr.info = fake_service::classifier_info();
    asr.info->version = "cafe";
    add("punctuation", "punctuation-restoration");
    add("vad", "voice-activity-detection").registration.enabled = false;
    add("named", "");
    service.kept.store_now.root = "/store";
    for (const auto& m : service.now.models)
      service.models[m.registration.name] = std::make_shared<config::registered_model>(m.registration);
  }
  actors::model_report& add(const std::string& name, const std::string& task) {
    actors::model_report r;
    r.registration.name = name;
    r.registration.task = task;
    service.now.models.push_back(r);
    return service.now.models.back();
  }
  actors::model_report& model(const std::string& name) {
    for (auto& m : service.now.models)
      if (m.registration.name == name) return m;
    ADD_FAILURE() << name;
    return service.now.models.front();
  }
  rapidjson::Document good(const std::string& method, const std::string& target, std::string body = {}) {
    const auto e = ask(method, target, std::move(body));
    EXPECT_EQ(e->answer->status, 200u) << target << e->answer->body;
    EXPECT_EQ(e->answer->content_type, "application/json");
    auto d = parse(e->answer->body);
    EXPECT_TRUE(d["success"].GetBool());
    return d;
  }
  rapidjson::Document load(const std::string& body) { return good("POST", "/model/load", body); }
  static calls texts(const rapidjson::Value& list) {
    calls out;
    for (const auto& v : list.GetArray()) out.emplace_back(v.GetString());
    return out;
  }
};

TEST_F(routes_lifecycle, every_documented_field) {
  auto& second = model("punctuation");
  second = model("streaming_asr");
  second.registration.name = "punctuation";
  rapidjson::Document documented;
  documented.CopyFrom(documented_responses("003"), documented.GetAllocator());
  documented["GET /model/info"]["system_info"].RemoveMember("python_version");  // null here
  const auto d = good("GET", "/model/info");
  expect_shape(documented["GET /model/info"], d, "GET /model/info $");
  EXPECT_TRUE(d["system_info"]["python_version"].IsNull());
  const auto shape = [&](const char* key, const rapidjson::Document& real) {
    ASSERT_TRUE(documented.HasMember(key)) << key;
    expect_shape(documented[key], real, std::string(key) + " $");
  };
  shape("POST /model/load (async)", load(R"({"model_type": "punctuation"})"));
  shape("POST /model/load", load(R"({"model_type": "punctuation", "async_load": false})"));
  shape("POST /model/load (unknown)", parse(ask("POST", "/model/load", R"({"model_type": "x"})")->answer->body));
  shape("DELETE /model/unload/{model_type}", good("DELETE", "/model/unload/punctuation"));
}

TEST_F(routes_lifecycle, info_of_a_loaded_model) {
  const auto d = good("GET", "/model/info");
  EXPECT_EQ(d["available_models"].MemberCount(), 3u) << "speech models alone";
  const auto& m = d["available_models"]["streaming_asr"];
  EXPECT_STREQ(m["model_id"].GetString(), "streaming_asr");
  EXPECT_STREQ(m["display_name"].GetString(), "FunASR Paraformer-zh-streaming");
  EXPECT_STREQ(m["description"].GetString(), "Real-time Chinese speech recognition model");
  EXPECT_STREQ(m["version"].GetString(), "1.2.7");
  EXPECT_STREQ(m["provider"].GetString(), "FunASR");
  EXPECT_STREQ(m["language"].GetString(), "Chinese (Mandarin)");
  EXPECT_EQ(texts(m["capabilities"]), (calls{"streaming", "real-time", "incremental"}));
  EXPECT_TRUE(m["loaded"].GetBool());
  EXPECT_FALSE(m["loading"].GetBool());
  EXPECT_STREQ(m["load_id"].GetString(), "load_4");
  EXPECT_DOUBLE_EQ(m["memory_usage_mb"].GetDouble(), 3);
  EXPECT_DOUBLE_EQ(m["load_time_ms"].GetDouble(), 250);
  EXPECT_STREQ(m["last_used"].GetString(), "2024-01-01T00:00:00Z");
  EXPECT_EQ(m["total_requests"].GetInt(), 10);
  EXPECT_DOUBLE_EQ(m["success_rate"].GetDouble(), 0.9);
  for (const char* key : {"model_info", "metrics", "uptime_hours", "load_error"}) EXPECT_FALSE(m.HasMember(key)) << key;
}

TEST_F(routes_lifecycle, info_says_null_or_nothing_of_what_is_not_known) {
  const auto d = good("GET", "/model/info?detailed=true&include_metrics=1");
  const auto& m = d["available_models"]["punctuation"];
  EXPECT_STREQ(m["display_name"].GetString(), "punctuation");
  for (const char* key : {"description", "version", "provider", "language", "load_time_ms", "last_used", "load_id"})
    EXPECT_TRUE(m[key].IsNull()) << key;
  EXPECT_EQ(m["capabilities"].Size(), 0u);
  EXPECT_FALSE(m["loaded"].GetBool());
  EXPECT_DOUBLE_EQ(m["memory_usage_mb"].GetDouble(), 0);
  EXPECT_EQ(m["total_requests"].GetInt(), 0);
  EXPECT_FALSE(m.HasMember("success_rate")) << "clients take another default than null";
  EXPECT_FALSE(m.HasMember("uptime_hours"));
  model("streaming_asr").registration.version.clear();
  const auto again = good("GET", "/model/info");
  EXPECT_STREQ(again["available_models"]["streaming_asr"]["version"].GetString(), "cafe") << "the artifact's own";
}

TEST_F(routes_lifecycle, info_in_detail) {
  for (const auto& [method, target, body] :
       {std::tuple{"POST", "/model/info", R"({"detailed": true, "include_metrics": true})"},
        std::tuple{"GET", "/model/info?detailed=true&include_metrics=true", ""},
        std::tuple{"POST", "/model/info?detailed=false", R"({"detailed": true, "include_metrics": true})"}}) {
    const auto d = good(method, target, body);
    const auto& m = d["available_models"]["streaming_asr"];
    EXPECT_STREQ(m["model_info"]["architecture"].GetString(), "BertForSequenceClassification");
    EXPECT_EQ(m["metrics"]["failed"].GetInt(), 1);
    EXPECT_EQ(m["metrics"]["performance"]["total_inferences"].GetInt(), 0);
    EXPECT_DOUBLE_EQ(m["uptime_hours"].GetDouble(), 1.5);
  }
  EXPECT_FALSE(good("POST", "/model/info")["available_models"]["streaming_asr"].HasMember("model_info"));
  EXPECT_FALSE(
      good("POST", "/model/info", R"({"include_metrics": true})")["available_models"]["streaming_asr"].HasMember(
          "model_info"));
  for (const char* body : {"[]", "{", R"({"detailed": 1})", R"({"include_metrics": "yes"})"})
    expect_error(*ask("POST", "/model/info", body), 400, "BAD_REQUEST");
  expect_error(*ask("GET", "/model/info?detailed=perhaps"), 400, "BAD_REQUEST");
}

TEST_F(routes_lifecycle, info_of_loads) {
  auto& m = model("punctuation");
  m.loading = true;
  m.load_id = "load_9";
  const auto now = good("GET", "/model/info");
  EXPECT_TRUE(now["available_models"]["punctuation"]["loading"].GetBool());
  EXPECT_STREQ(now["available_models"]["punctuation"]["load_id"].GetString(), "load_9");
  m.loading = false;
  m.load_error = "model.pt is truncated";
  const auto later = good("GET", "/model/info");
  EXPECT_STREQ(later["available_models"]["punctuation"]["load_error"].GetString(), "model.pt is truncated");
}

TEST_F(routes_lifecycle, info_of_the_machine_and_the_store) {
  service.now.totals.cache_hits = 9;
  service.now.totals.cache_misses = 1;
  actors::artifact_report kept;
  kept.stored.files = {{"model.pt", 5 << 20, std::string(64, 'd'), {}}};
  service.kept.store_now.models = {kept};
  const auto d = good("GET", "/model/info");
  const auto& system = d["system_info"];
  EXPECT_GT(system["total_memory_gb"].GetDouble(), 0.1);
  EXPECT_GT(system["available_memory_gb"].GetDouble(), 0);
  EXPECT_LE(system["available_memory_gb"].GetDouble(), system["total_memory_gb"].GetDouble());
  EXPECT_EQ(system["cpu_cores"].GetUint(), config::usable_cores());
  EXPECT_TRUE(std::string(system["framework"].GetString()).starts_with("troupe "));
  EXPECT_NE(std::string(system["framework"].GetString()).find("CAF 0."), std::string::npos);
  EXPECT_NE(std::string(system["framework"].GetString()).find("LibTorch 2."), std::string::npos);
  EXPECT_NEAR(system["uptime_hours"].GetDouble(), 12.5 / 3600, 1e-5);
  EXPECT_TRUE(d["model_cache"]["cache_enabled"].GetBool());
  EXPECT_STREQ(d["model_cache"]["cache_directory"].GetString(), "/store");
  EXPECT_DOUBLE_EQ(d["model_cache"]["cache_size_mb"].GetDouble(), 5);
  EXPECT_DOUBLE_EQ(d["model_cache"]["cache_hit_rate"].GetDouble(), 0.9);

  service.kept.problem = error{error_code::unavailable, "no folder", {}, {}};
  const auto without = good("GET", "/model/info");
  EXPECT_FALSE(without["model_cache"]["cache_enabled"].GetBool());
  EXPECT_TRUE(without["model_cache"]["cache_directory"].IsNull());
  EXPECT_TRUE(without["model_cache"]["cache_size_mb"].IsNull());
}

TEST_F(routes_lifecycle, speech_models_are_known_by_task_or_by_the_documents_names) {
  const auto listed = [&](const std::string& name) {
    return good("GET", "/model/info")["available_models"].HasMember(name.c_str());
  };
  EXPECT_FALSE(listed("named"));
  EXPECT_FALSE(listed("alpha"));
  model("named").tasks = {inference::task::voice_activity_detection};  // as it said in memory
  EXPECT_TRUE(listed("named"));
  auto& asr = model("streaming_asr");
  asr.registration.task.clear();
  EXPECT_TRUE(listed("streaming_asr")) << "nobody knows better";
  asr.tasks = {inference::task::text_classification};
  EXPECT_FALSE(listed("streaming_asr"));
  asr.registration.task = "automatic-speech-recognition";
  EXPECT_TRUE(listed("streaming_asr")) << "the registry's word";
}

TEST_F(routes_lifecycle, a_load_that_nobody_waits_for) {
  const auto d = load(R"({"model_type": "punctuation"})");
  EXPECT_EQ(service.calls, calls{"begin_load punctuation"});
  EXPECT_STREQ(d["message"].GetString(), "Model loading initiated");
  EXPECT_STREQ(d["model_type"].GetString(), "punctuation");
  EXPECT_STREQ(d["load_id"].GetString(), "load_1");
  EXPECT_TRUE(d["async"].GetBool());
  EXPECT_EQ(d["estimated_load_time"].GetInt(), 500);
  EXPECT_STREQ(d["current_status"].GetString(), "loading");

  service.already = true;
  const auto there = load(R"({"model_type": "punctuation", "async_load": true, "force_reload": false})");
  EXPECT_STREQ(there["current_status"].GetString(), "loaded");
  EXPECT_TRUE(there["load_id"].IsString());
  EXPECT_EQ(there["estimated_load_time"].GetInt(), 0);
  load(R"({"model_type": "punctuation", "force_reload": true})");
  EXPECT_EQ(service.called, "begin_load punctuation again");
}

TEST_F(routes_lifecycle, a_load_that_is_waited_for) {
  const auto d = load(R"({"model_type": "streaming_asr", "async_load": false})");
  EXPECT_EQ(service.called, "load streaming_asr 300000");
  EXPECT_STREQ(d["message"].GetString(), "Model loaded successfully");
  EXPECT_DOUBLE_EQ(d["load_time_ms"].GetDouble(), 250);
  EXPECT_DOUBLE_EQ(d["memory_usage_mb"].GetDouble(), 3);
  EXPECT_STREQ(d["model_version"].GetString(), "1.2.7") << "as /model/info tells it";
  EXPECT_STREQ(d["status"].GetString(), "loaded");
  EXPECT_STREQ(load(R"({"model_type": "punctuation", "async_load": false})")["model_version"].GetString(), "f00d");

  load(R"({"model_type": "punctuation", "async_load": false, "timeout": 1.5})");
  EXPECT_EQ(service.called, "load punctuation 1500");
  load(R"({"model_type": "punctuation", "async_load": false, "force_reload": true, "timeout": 2})");
  EXPECT_EQ(service.called, "reload punctuation 2000");
  settings.max_request_timeout_ms = 5000;
  load(R"({"model_type": "punctuation", "async_load": false})");
  EXPECT_EQ(service.called, "load punctuation 5000");
  service.already = true;
  EXPECT_STREQ(load(R"({"model_type": "punctuation", "async_load": false})")["message"].GetString(),
               "Model is already loaded");
}

TEST_F(routes_lifecycle, failures_of_one) {
  service.refuses["punctuation"] = {error_code::deadline_exceeded, "Model punctuation is not loaded yet",
                                    "the load goes on", 1};
  const auto e = ask("POST", "/model/load", R"({"model_type": "punctuation", "async_load": false, "timeout": 1})");
  const auto d = expect_error(*e, 504, "DEADLINE_EXCEEDED");
  EXPECT_STREQ(d["details"].GetString(), "Model punctuation is not loaded yet: the load goes on");
  EXPECT_EQ(e->header_of_answer("Retry-After"), "1");
  service.refuses["punctuation"] = {error_code::conflict, "Model punctuation is disabled", {}, {}};
  expect_error(*ask("POST", "/model/load", R"({"model_type": "punctuation"})"), 409, "CONFLICT");
  service.refuses["punctuation"] = {error_code::deadline_exceeded, "Model punctuation has not left memory yet", {}, {}};
  expect_error(*ask("POST", "/model/unload/punctuation"), 504, "DEADLINE_EXCEEDED");
  service.refuses.clear();
  service.drop_reply = true;
  expect_error(*ask("POST", "/model/load", R"({"model_type": "punctuation", "async_load": false})"), 503,
               "UNAVAILABLE");
}

TEST_F(routes_lifecycle, a_model_that_is_none) {
  for (const auto& [method, target, body] :
       {std::tuple{"POST", "/model/load", R"({"model_type": "invalid_model"})"},
        std::tuple{"POST", "/model/load", R"({"model_type": "invalid_model", "async_load": false})"},
        std::tuple{"DELETE", "/model/unload/invalid_model", ""},
        std::tuple{"POST", "/model/unload/invalid_model", ""}}) {
    const auto d = expect_error(*ask(method, target, body), 404, "MODEL_NOT_FOUND");
    EXPECT_STREQ(d["error"].GetString(), "Model not found");
    EXPECT_STREQ(d["details"].GetString(), "The requested model 'invalid_model' does not exist");
    EXPECT_EQ(texts(d["available_models"]), (calls{"streaming_asr", "punctuation"})) << "what may be loaded";
  }
  const auto other = expect_error(*ask("POST", "/model/load", R"({"model_type": "alpha"})"), 404, "MODEL_NOT_FOUND");
  EXPECT_STREQ(other["details"].GetString(), "The requested model 'alpha' does not exist here: it is no speech model");
  expect_error(*ask("DELETE", "/model/unload/alpha"), 404, "MODEL_NOT_FOUND");
  expect_error(*ask("POST", "/model/load", "{\"model_type\": \"a\\u0007 name \\u4e2d\"}"), 404, "MODEL_NOT_FOUND");
  EXPECT_TRUE(service.calls.empty());
}

TEST_F(routes_lifecycle, bad_loads) {
  for (const char* body :
       {"", "[]", "{", "{}", R"({"model_type": 1})", R"({"model_type": ""})", R"({"model_type": null})",
        R"({"model_type": "punctuation", "force_reload": "yes"})", R"({"model_type": "punctuation", "async_load": 1})",
        R"({"model_type": "punctuation", "timeout": "1"})", R"({"model_type": "punctuation", "timeout": 0})",
        R"({"model_type": "punctuation", "timeout": -1})", R"({"model_type": "punctuation", "timeout": 601})",
        R"({"model_type": "punctuation", "timeout": 1e300})"}) {
    const auto d = expect_error(*ask("POST", "/model/load", body), 400, "BAD_REQUEST");
    EXPECT_EQ(std::string(d["details"].GetString()).find("internal"), std::string::npos) << body;
  }
  expect_error(*ask("POST", "/model/load", R"({"model_type": "punctuation"})", {{"Content-Type", "text/csv"}}), 415,
               "UNSUPPORTED_MEDIA");
  expect_error(*ask("GET", "/model/load"), 405, "METHOD_NOT_ALLOWED");
  expect_error(*ask("DELETE", "/model/unload/..%2fx"), 400, "BAD_REQUEST");
  EXPECT_TRUE(service.calls.empty());
}

TEST_F(routes_lifecycle, unload) {
  for (const char* method : {"DELETE", "POST"}) {
    model("streaming_asr").state = residency::resident;
    model("punctuation").state = residency::resident;
    const auto d = good(method, "/model/unload/streaming_asr");
    EXPECT_EQ(service.called, "unload streaming_asr");
    EXPECT_STREQ(d["message"].GetString(), "Model unloaded successfully");
    EXPECT_STREQ(d["model_type"].GetString(), "streaming_asr");
    EXPECT_DOUBLE_EQ(d["memory_freed_mb"].GetDouble(), 3);
    EXPECT_GE(d["unload_time_ms"].GetDouble(), 0);
    EXPECT_EQ(texts(d["models_remaining"]), calls{"punctuation"}) << "speech models alone";
  }
  service.already = true;
  const auto d = good("DELETE", "/model/unload/streaming_asr");
  EXPECT_STREQ(d["message"].GetString(), "Model is already unloaded");
  EXPECT_DOUBLE_EQ(d["memory_freed_mb"].GetDouble(), 0);
}

TEST_F(routes_lifecycle, names_with_a_namespace) {
  auto& m = add("org/paraformer", "automatic-speech-recognition");
  m.state = residency::resident;
  for (const char* path : {"/model/unload/org/paraformer", "/model/unload/org%2Fparaformer"}) {
    good("DELETE", path);
    EXPECT_EQ(service.called, "unload org/paraformer");
  }
  load(R"({"model_type": "org/paraformer"})");
  EXPECT_EQ(service.called, "begin_load org/paraformer");
}

TEST_F(routes_lifecycle, load_all) {
  const auto d = load(R"({"model_type": "all"})");
  EXPECT_EQ(service.calls, (calls{"begin_load streaming_asr", "begin_load punctuation"})) << "what is not disabled";
  EXPECT_STREQ(d["model_type"].GetString(), "all");
  EXPECT_STREQ(d["load_id"].GetString(), "load_1+load_2");
  EXPECT_EQ(d["estimated_load_time"].GetInt(), 1000);
  EXPECT_STREQ(d["current_status"].GetString(), "loading");
  EXPECT_STREQ(d["results"]["punctuation"]["load_id"].GetString(), "load_2");

  const auto there = load(R"({"model_type": "all", "async_load": false, "timeout": 3})");
  EXPECT_EQ(service.called, "load punctuation 3000");
  EXPECT_STREQ(there["message"].GetString(), "2 models loaded");
  EXPECT_DOUBLE_EQ(there["load_time_ms"].GetDouble(), 500);
  EXPECT_DOUBLE_EQ(there["memory_usage_mb"].GetDouble(), 6);
  EXPECT_TRUE(there["model_version"].IsNull());
  EXPECT_EQ(there["results"].MemberCount(), 2u);
  EXPECT_STREQ(there["results"]["streaming_asr"]["model_version"].GetString(), "1.2.7");
  EXPECT_TRUE(there["results"]["streaming_asr"]["success"].GetBool());
}

TEST_F(routes_lifecycle, load_all_of_which_one_fails) {
  service.refuses["punctuation"] = {error_code::insufficient_memory, "no memory for model punctuation", "less", 1};
  const auto e = ask("POST", "/model/load", R"({"model_type": "all", "async_load": false})");
  const auto d = expect_error(*e, 503, "INSUFFICIENT_MEMORY");
  EXPECT_STREQ(d["error"].GetString(), "no memory for model punctuation");
  EXPECT_STREQ(d["model_type"].GetString(), "all");
  EXPECT_TRUE(d["results"]["streaming_asr"]["success"].GetBool());
  EXPECT_FALSE(d["results"]["punctuation"]["success"].GetBool());
  EXPECT_STREQ(d["results"]["punctuation"]["error_code"].GetString(), "INSUFFICIENT_MEMORY");
  EXPECT_STREQ(d["results"]["punctuation"]["details"].GetString(), "no memory for model punctuation: less");
}

TEST_F(routes_lifecycle, unload_all) {
  model("punctuation").loading = true;
  const auto d = good("DELETE", "/model/unload/all");
  EXPECT_EQ(service.calls, (calls{"unload streaming_asr", "unload punctuation"})) << "what is there, or on its way";
  EXPECT_STREQ(d["message"].GetString(), "2 models unloaded");
  EXPECT_DOUBLE_EQ(d["memory_freed_mb"].GetDouble(), 6);
  EXPECT_EQ(d["models_remaining"].Size(), 0u);
  EXPECT_DOUBLE_EQ(d["results"]["streaming_asr"]["memory_freed_mb"].GetDouble(), 3);
  EXPECT_EQ(model("alpha").state, residency::resident) << "never the others";

  model("punctuation").loading = false;
  service.calls.clear();
  const auto none = good("DELETE", "/model/unload/all");
  EXPECT_TRUE(service.calls.empty());
  EXPECT_STREQ(none["message"].GetString(), "0 models unloaded");
  EXPECT_EQ(none["results"].MemberCount(), 0u);
}

TEST_F(routes_lifecycle, without_any_speech_model) {
  std::erase_if(service.now.models, [](const auto& m) { return !m.registration.task.starts_with("text"); });
  EXPECT_EQ(good("GET", "/model/info")["available_models"].MemberCount(), 0u);
  const auto d = expect_error(*ask("POST", "/model/load", R"({"model_type": "all"})"), 404, "MODEL_NOT_FOUND");
  EXPECT_STREQ(d["details"].GetString(), "No speech model is registered");
  EXPECT_EQ(d["available_models"].Size(), 0u);
  good("DELETE", "/model/unload/all");
}

TEST_F(routes_lifecycle, failures_of_the_service) {
  service.problem = error{error_code::unavailable, "the server is shutting down", {}, {}};
  expect_error(*ask("GET", "/model/info"), 503, "UNAVAILABLE");
  expect_error(*ask("POST", "/model/load", R"({"model_type": "punctuation"})"), 503, "UNAVAILABLE");
  expect_error(*ask("DELETE", "/model/unload/punctuation"), 503, "UNAVAILABLE");
}

}  // namespace
}  // namespace troupe::http::tests
