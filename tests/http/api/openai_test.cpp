// OpenAI's routes: their shapes, and what goes wrong in their words.
#include <gtest/gtest.h>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

struct routes_openai : ::testing::Test, bench {
  routes_openai() {
    for (const auto& [name, task] :
         {std::pair("embedder", "feature-extraction"), std::pair("ranker", "text-ranking")}) {
      auto m = std::make_shared<config::registered_model>();
      m->name = name;
      m->task = task;
      service.models[name] = std::move(m);
    }
    service.now.started = std::chrono::system_clock::time_point(std::chrono::seconds(1704067200));
    // Vectors (number of the input, 0.5), scores that rise with the number; five tokens each.
    service.on_predict = [this](const auto& job, const actors::predict_request& request) {
      job->begin(fake_service::classifier_info());
      for (std::uint32_t i = 0; i < request.inputs.size(); ++i) {
        actors::item_result r;
        r.index = i;
        r.tokens = 5;
        r.truncated = cut;
        if (failing == i) {
          r.value = fail(error_code::unprocessable, "the text is too long");
        } else if (request.asked.task == inference::task::text_ranking) {
          r.value = inference::single_score{0.125f * static_cast<float>(i)};
        } else {
          r.value = inference::embedding{{static_cast<float>(i), 0.5f}};
        }
        job->write(std::move(r));
      }
    };
  }
  bool cut = false;
  std::optional<std::uint32_t> failing;

  const actors::predict_request& sent() const { return service.predicted.back(); }
  rapidjson::Document post(const char* path, std::string body, unsigned status = 200) {
    const auto e = ask("POST", path, std::move(body));
    EXPECT_EQ(e->answer->status, status) << e->answer->body;
    return parse(e->answer->body);
  }
  // {"error": {..}} of their shape; "type code param: message".
  std::string refusal(const fake_exchange& e, unsigned status) {
    EXPECT_EQ(e.answer->status, status) << e.answer->body;
    const auto d = parse(e.answer->body);
    EXPECT_EQ(d.MemberCount(), 1u);
    const auto& why = d["error"];
    EXPECT_EQ(why.MemberCount(), 4u);
    return std::string(why["type"].GetString()) + " " + why["code"].GetString() + " " +
           (why["param"].IsNull() ? "-" : why["param"].GetString()) + ": " + why["message"].GetString();
  }
  std::string refusal(const char* path, const char* body, unsigned status) {
    return refusal(*ask("POST", path, body), status);
  }
};

TEST_F(routes_openai, models) {
  service.now.models[1].registration.enabled = false;
  service.now.models[0].registration.provider = "acme";
  const auto d = parse(ask("GET", "/v1/models")->answer->body);
  EXPECT_STREQ(d["object"].GetString(), "list");
  ASSERT_EQ(d["data"].Size(), 3u);
  EXPECT_STREQ(d["data"][0]["id"].GetString(), "alpha");
  EXPECT_STREQ(d["data"][0]["object"].GetString(), "model");
  EXPECT_EQ(d["data"][0]["created"].GetInt64(), 1704067200);
  EXPECT_STREQ(d["data"][0]["owned_by"].GetString(), "acme");
  EXPECT_STREQ(d["data"][1]["id"].GetString(), "org/gamma");
  EXPECT_STREQ(d["data"][1]["owned_by"].GetString(), "org");
  EXPECT_STREQ(d["data"][2]["owned_by"].GetString(), "troupe");
}

TEST_F(routes_openai, one_model_however_its_name_is_written) {
  for (const char* path : {"/v1/models/org/gamma", "/v1/models/org%2Fgamma", "/v1/models/org%2fgamma"}) {
    const auto d = parse(ask("GET", path)->answer->body);
    EXPECT_STREQ(d["id"].GetString(), "org/gamma") << path;
  }
  const auto unknown = refusal(*ask("GET", "/v1/models/gamma"), 404);
  EXPECT_TRUE(unknown.starts_with("invalid_request_error model_not_found model: Model gamma not found")) << unknown;
  EXPECT_TRUE(refusal(*ask("GET", "/v1/models/-a"), 400).starts_with("invalid_request_error bad_request -"));
}

TEST_F(routes_openai, an_embedding_each_and_what_it_cost) {
  const auto d = post("/v1/embeddings", R"({"model": "embedder", "input": ["a", "b"], "user": "me"})");
  EXPECT_STREQ(d["object"].GetString(), "list");
  EXPECT_STREQ(d["model"].GetString(), "embedder");
  ASSERT_EQ(d["data"].Size(), 2u);
  EXPECT_STREQ(d["data"][1]["object"].GetString(), "embedding");
  EXPECT_EQ(d["data"][1]["index"].GetInt(), 1);
  EXPECT_EQ(d["data"][1]["embedding"][0].GetFloat(), 1.0f);
  EXPECT_EQ(d["usage"]["prompt_tokens"].GetInt(), 10);
  EXPECT_EQ(d["usage"]["total_tokens"].GetInt(), 10);
  EXPECT_FALSE(d.HasMember("truncated"));
  EXPECT_EQ(sent().model, "embedder");
  EXPECT_EQ(sent().asked.task, inference::task::feature_extraction);
  EXPECT_EQ(sent().asked.parameters, inference::task_parameters{});
  EXPECT_TRUE(sent().use_prediction_cache);
}

TEST_F(routes_openai, the_default_of_their_client) {
  const auto d = post("/v1/embeddings", R"({"input": "a", "encoding_format": "base64", "dimensions": 2})");
  // struct.pack("<2f", 0, 0.5)
  EXPECT_STREQ(d["data"][0]["embedding"].GetString(), "AAAAAAAAAD8=");
  EXPECT_EQ(sent().model, "embedder") << "the one that does this";
  EXPECT_EQ(sent().asked.parameters.dimensions, 2u);
}

TEST_F(routes_openai, token_ids) {
  post("/v1/embeddings", R"({"input": [1, 2, 3]})");
  EXPECT_EQ(sent().inputs[0].only<inference::token_ids>()->ids, (std::vector<std::int32_t>{1, 2, 3}));
  EXPECT_EQ(post("/v1/embeddings", R"({"input": [[1], [2, 3]]})")["data"].Size(), 2u);
}

TEST_F(routes_openai, a_cut_text_is_told) {
  cut = true;
  const auto e = ask("POST", "/v1/embeddings", R"({"input": "a"})", {{"Cache-Control", "no-cache"}});
  EXPECT_TRUE(parse(e->answer->body)["truncated"].GetBool());
  EXPECT_EQ(e->header_of_answer("X-Truncated"), "true");
  EXPECT_NE(e->header_of_answer("Server-Timing"), "");
  EXPECT_FALSE(sent().use_prediction_cache);
}

TEST_F(routes_openai, one_bad_text_refuses_all) {
  EXPECT_EQ(refusal("/v1/embeddings", R"({"input": ["a", " "]})", 422),
            "invalid_request_error unprocessable input[1]: 'input[1]': The text is empty: send at least one visible "
            "character");
  EXPECT_TRUE(service.predicted.empty());
  failing = 1;
  EXPECT_EQ(refusal("/v1/embeddings", R"({"input": ["a", "b", "c"]})", 422),
            "invalid_request_error unprocessable -: 'input[1]': the text is too long");
  EXPECT_EQ(refusal("/v1/rerank", R"({"query": "q", "documents": ["a", "b"]})", 422),
            "invalid_request_error unprocessable -: 'documents[1]': the text is too long");
}

TEST_F(routes_openai, bad_requests_name_the_field) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "-"},
      {"[]", "-"},
      {R"({"input": []})", "input"},
      {R"({"model": "embedder"})", "input"},
      {R"({"input": "a", "model": 1})", "model"},
      {R"({"input": "a", "model": "a b"})", "model"},
      {R"({"input": "a", "dimensions": 0})", "dimensions"},
      {R"({"input": "a", "encoding_format": "hex"})", "encoding_format"},
      {R"({"input": "a", "user": 1})", "user"},
  };
  for (const auto& [body, param] : cases) {
    const auto why = refusal("/v1/embeddings", body, 400);
    EXPECT_TRUE(why.starts_with("invalid_request_error bad_request " + std::string(param) + ": ")) << body << why;
  }
  EXPECT_TRUE(refusal("/v1/embeddings", R"({"input": "a", "model": "ebedder"})", 404)
                  .starts_with("invalid_request_error model_not_found model: Model ebedder not found"));
}

TEST_F(routes_openai, documents_by_how_well_they_answer) {
  const auto d = post("/v1/rerank", R"({"model": "ranker", "query": "q", "documents": ["a", {"text": "b"}, "c"],
                                        "top_n": 2})");
  EXPECT_STREQ(d["id"].GetString(), "rerank-id-1");
  EXPECT_STREQ(d["model"].GetString(), "ranker");
  ASSERT_EQ(d["results"].Size(), 2u);
  EXPECT_EQ(d["results"][0]["index"].GetInt(), 2);
  EXPECT_EQ(d["results"][0]["relevance_score"].GetFloat(), 0.25f);
  EXPECT_STREQ(d["results"][0]["document"]["text"].GetString(), "c");
  EXPECT_STREQ(d["results"][1]["document"]["text"].GetString(), "b");
  EXPECT_EQ(d["usage"]["total_tokens"].GetInt(), 15);
  EXPECT_EQ(d["meta"]["tokens"]["input_tokens"].GetInt(), 15);
  EXPECT_EQ(sent().asked.task, inference::task::text_ranking);
  EXPECT_EQ(sent().inputs[1].only<inference::text_pair>()->first, "q");
  EXPECT_EQ(sent().inputs[1].only<inference::text_pair>()->second, "b");
}

TEST_F(routes_openai, documents_may_stay_away) {
  const auto d = post("/v1/rerank", R"({"query": "q", "documents": ["a"], "return_documents": false,
                                        "raw_scores": true, "top_n": null})");
  EXPECT_FALSE(d["results"][0].HasMember("document"));
  EXPECT_EQ(sent().model, "ranker");
  EXPECT_EQ(sent().asked.parameters.raw_scores, true);
  EXPECT_TRUE(refusal("/v1/rerank", R"({"query": "q", "documents": []})", 400).find("documents") != std::string::npos);
  EXPECT_TRUE(refusal("/v1/rerank", R"({"query": " ", "documents": ["a"]})", 422).find(" query: ") !=
              std::string::npos);
}

TEST_F(routes_openai, what_goes_wrong_outside_is_in_their_words) {
  settings.api_keys = {"key"};
  const std::map<std::string, std::string> key{{"Authorization", "Bearer key"}};
  EXPECT_TRUE(refusal(*ask("GET", "/v1/models"), 401).starts_with("invalid_request_error invalid_api_key -"));
  EXPECT_EQ(ask("GET", "/v1/models")->header_of_answer("WWW-Authenticate"), "Bearer");
  EXPECT_TRUE(refusal(*ask("GET", "/v1/models", {}, {{"X-API-Key", "no"}}), 403).find("invalid_api_key") !=
              std::string::npos);
  EXPECT_TRUE(refusal(*ask("GET", "/v1/nothing", {}, key), 404).starts_with("invalid_request_error unknown_url"));
  const auto other = ask("GET", "/v1/embeddings", {}, key);
  EXPECT_TRUE(refusal(*other, 405).starts_with("invalid_request_error method_not_allowed"));
  EXPECT_EQ(other->header_of_answer("Allow"), "POST, OPTIONS");
  auto refused = std::make_shared<fake_exchange>();
  refused->refused_ = 413;
  refused->method_ = "POST";
  refused->path_ = "/v1/embeddings";
  handle(refused);
  EXPECT_TRUE(refusal(*refused, 413).starts_with("invalid_request_error payload_too_large"));
}

TEST_F(routes_openai, trouble_of_the_server) {
  service.on_predict = [](const auto& job, const auto&) { job->fail({error_code::too_many_requests, "full", {}, 7}); };
  const auto full = ask("POST", "/v1/embeddings", R"({"input": "a"})");
  EXPECT_EQ(refusal(*full, 429), "rate_limit_error rate_limit_exceeded -: full");
  EXPECT_EQ(full->header_of_answer("Retry-After"), "7");
  service.on_predict = [](const auto& job, const auto&) { job->fail({error_code::deadline_exceeded, "late", {}, {}}); };
  EXPECT_EQ(refusal("/v1/embeddings", R"({"input": "a"})", 504), "server_error deadline_exceeded -: late");
  service.on_predict = nullptr;  // label scores
  EXPECT_TRUE(refusal("/v1/embeddings", R"({"input": "a"})", 500).starts_with("server_error internal"));
}

}  // namespace
}  // namespace troupe::http::tests
