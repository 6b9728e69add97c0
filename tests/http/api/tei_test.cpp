// text-embeddings-inference's routes, under /tei and at the root of a listener of its dialect.
#include <gtest/gtest.h>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

struct routes_tei : ::testing::Test, bench {
  routes_tei() {
    for (const auto& [name, task] :
         {std::pair("embedder", "feature-extraction"), std::pair("ranker", "text-ranking")}) {
      auto m = std::make_shared<config::registered_model>();
      m->name = name;
      m->task = task;
      service.models[name] = std::move(m);
    }
    service.on_predict = [this](const auto& job, const actors::predict_request& request) {
      job->begin(fake_service::classifier_info());
      for (std::uint32_t i = 0; i < request.inputs.size(); ++i) {
        auto r = fake_service::classified(i);
        if (failing == i) {
          r.value = fail(error_code::unprocessable, "no");
        } else if (request.asked.task == inference::task::text_ranking) {
          r.value = inference::single_score{0.125f * static_cast<float>(i)};
        } else if (request.asked.parameters.all_tokens) {
          r.value = inference::token_embeddings{{1, 2, 3, 4, 5, 6}, 2};
        } else if (request.asked.task == inference::task::feature_extraction) {
          r.value = inference::embedding{{1, static_cast<float>(i)}};
        }
        job->write(std::move(r));
      }
    };
  }
  std::optional<std::uint32_t> failing;

  const actors::predict_request& sent() const { return service.predicted.back(); }
  std::string post(const char* path, std::string body, unsigned status = 200) {
    const auto e = ask("POST", path, std::move(body));
    EXPECT_EQ(e->answer->status, status) << e->answer->body;
    return e->answer->body;
  }
  // "error_type: error"
  std::string refusal(const fake_exchange& e, unsigned status) {
    EXPECT_EQ(e.answer->status, status) << e.answer->body;
    const auto d = parse(e.answer->body);
    EXPECT_EQ(d.MemberCount(), 2u);
    return std::string(d["error_type"].GetString()) + ": " + d["error"].GetString();
  }
  std::string refusal(const char* path, const char* body, unsigned status) {
    return refusal(*ask("POST", path, body), status);
  }
};

TEST_F(routes_tei, embed) {
  EXPECT_EQ(post("/tei/embed", R"({"inputs": "a"})"), "[[1.0,0.0]]");
  EXPECT_EQ(sent().model, "embedder");
  EXPECT_EQ(sent().asked.task, inference::task::feature_extraction);
  EXPECT_EQ(sent().asked.parameters.normalize, true) << "as theirs";
  EXPECT_EQ(sent().asked.parameters.truncate, std::nullopt);
  EXPECT_EQ(post("/tei/embed", R"({"inputs": ["a", "b"], "model": "alpha", "normalize": false, "truncate": false,
                                   "truncation_direction": "Left", "prompt_name": "query", "dimensions": 2})"),
            "[[1.0,0.0],[1.0,1.0]]");
  EXPECT_EQ(sent().model, "alpha");
  const auto& how = sent().asked.parameters;
  EXPECT_EQ(how.normalize, false);
  EXPECT_EQ(how.truncate, false);
  EXPECT_EQ(how.truncate_left, true);
  EXPECT_EQ(how.prompt_name, "query");
  EXPECT_EQ(how.dimensions, 2u);
  EXPECT_EQ(post("/tei/embed", R"({"inputs": [[1, 2], "b"], "truncate": null})"), "[[1.0,0.0],[1.0,1.0]]");
}

TEST_F(routes_tei, embed_all) {
  EXPECT_EQ(post("/tei/embed_all", R"({"inputs": ["a"]})"), "[[[1.0,2.0],[3.0,4.0],[5.0,6.0]]]");
  EXPECT_EQ(sent().asked.parameters.normalize, std::nullopt);
}

TEST_F(routes_tei, similarity) {
  EXPECT_EQ(post("/tei/similarity", R"({"inputs": {"source_sentence": "a", "sentences": ["b", "c"]},
                                        "parameters": {"prompt_name": "query", "truncate": true}})"),
            "[0.70710677,0.4472136]");
  EXPECT_EQ(sent().asked.parameters.prompt_name, "query");
  EXPECT_EQ(*sent().inputs[2].only<std::string>(), "c");
  failing = 2;
  EXPECT_EQ(refusal("/tei/similarity", R"({"inputs": {"source_sentence": "a", "sentences": ["b", "c"]}})", 422),
            "Tokenizer: 'sentences[1]': no");
  EXPECT_EQ(refusal("/tei/similarity", R"({"inputs": "a"})", 400),
            "Validation: 'inputs' must be an object, found a string: send an object");
}

TEST_F(routes_tei, rerank) {
  EXPECT_EQ(post("/tei/rerank", R"({"query": "q", "texts": ["a", "b"]})"),
            R"([{"index":1,"score":0.125},{"index":0,"score":0.0}])");
  EXPECT_EQ(sent().model, "ranker");
  EXPECT_EQ(sent().inputs[1].only<inference::text_pair>()->second, "b");
  EXPECT_EQ(post("/tei/rerank", R"({"query": "q", "texts": ["a"], "return_text": true, "raw_scores": true})"),
            R"([{"index":0,"text":"a","score":0.0}])");
  EXPECT_EQ(sent().asked.parameters.raw_scores, true);
}

TEST_F(routes_tei, predict) {
  const std::string one =
      R"([{"score":0.95,"label":"prompt_injection"},{"score":0.03,"label":"jailbreak"},)"
      R"({"score":0.01,"label":"system_extraction"},{"score":0.01,"label":"code_injection"},{"score":0.0,"label":"benign"}])";
  EXPECT_EQ(post("/tei/predict", R"({"inputs": "a"})"), one);
  EXPECT_EQ(sent().model, "alpha");
  EXPECT_EQ(sent().asked.task, inference::task::text_classification);
  EXPECT_EQ(post("/tei/predict", R"({"inputs": ["a", "b"], "raw_scores": true})"), one) << "a pair";
  EXPECT_EQ(sent().asked.parameters.function_to_apply, inference::score_function::none);
  EXPECT_EQ(sent().inputs[0].only<inference::text_pair>()->second, "b");
  EXPECT_EQ(post("/tei/predict", R"({"inputs": [["a"], ["b", "c"]]})"), "[" + one + "," + one + "]");
  EXPECT_EQ(sent().asked.parameters.function_to_apply, std::nullopt);
}

TEST_F(routes_tei, tokens_and_back) {
  EXPECT_EQ(
      post("/tei/tokenize", R"({"inputs": "a bc"})"),
      R"([[{"id":101,"text":"[CLS]","special":true,"start":null,"stop":null},)"
      R"({"id":1,"text":"a","special":false,"start":0,"stop":1},{"id":2,"text":"bc","special":false,"start":2,"stop":4}]])");
  EXPECT_EQ(service.tokenized.back().model, "alpha");
  EXPECT_EQ(
      post("/tei/tokenize", R"({"inputs": ["a", "b"], "add_special_tokens": false, "prompt_name": "query",
                                      "model": "beta"})"),
      R"([[{"id":0,"text":"a","special":false,"start":0,"stop":1}],[{"id":0,"text":"b","special":false,"start":0,"stop":1}]])");
  EXPECT_EQ(service.tokenized.back().model, "beta");
  EXPECT_EQ(service.tokenized.back().options.prompt_name, "query");
  EXPECT_EQ(post("/tei/decode", R"({"ids": [1, 2]})"), R"(["1 2"])");
  EXPECT_TRUE(service.decoded.back().skip_special);
  EXPECT_EQ(post("/tei/decode", R"({"ids": [[1, 2], [3]], "skip_special_tokens": false})"), R"(["1 2","3"])");
  EXPECT_FALSE(service.decoded.back().skip_special);
  service.problem = error{error_code::unprocessable, "no tokenizer", {}, {}};
  EXPECT_EQ(refusal("/tei/decode", R"({"ids": [1]})", 422), "Tokenizer: no tokenizer");
  EXPECT_TRUE(service.predicted.empty());
}

TEST_F(routes_tei, info) {
  const auto d = parse(ask("GET", "/tei/info")->answer->body);
  EXPECT_STREQ(d["model_id"].GetString(), "alpha");
  EXPECT_STREQ(d["model_dtype"].GetString(), "float32");
  EXPECT_EQ(d["max_input_length"].GetInt(), 128);
  EXPECT_STREQ(d["model_type"]["classifier"]["id2label"]["1"].GetString(), "jailbreak");
  EXPECT_EQ(d["model_type"]["classifier"]["label2id"]["jailbreak"].GetInt(), 1);
  EXPECT_EQ(d["max_client_batch_size"].GetUint(), settings.max_batch_inputs);
  EXPECT_TRUE(d["auto_truncate"].GetBool());
  const auto other = parse(ask("GET", "/tei/info?model=beta")->answer->body);
  EXPECT_TRUE(other["model_dtype"].IsNull()) << "not in memory";
  EXPECT_TRUE(other["max_input_length"].IsNull());
  EXPECT_EQ(refusal(*ask("GET", "/tei/info?model=nobody"), 404).substr(0, 11), "Validation:");
}

TEST_F(routes_tei, health) {
  const auto e = ask("GET", "/tei/health");
  EXPECT_EQ(e->answer->status, 200u);
  EXPECT_EQ(e->answer->body, "");
  service.now.state = actors::health::draining;
  EXPECT_EQ(refusal(*ask("GET", "/tei/health"), 503), "Unhealthy: The server is draining");
}

TEST_F(routes_tei, refusals) {
  EXPECT_EQ(refusal("/tei/embed", R"({"inputs": []})", 400), "Empty: 'inputs' is empty: send at least one");
  EXPECT_EQ(refusal("/tei/embed", R"({"inputs": ["a", ""]})", 422),
            "Tokenizer: 'inputs[1]': The text is empty: send at least one visible character");
  EXPECT_EQ(refusal("/tei/embed", R"({"inputs": "a", "truncation_direction": "up"})", 400),
            "Validation: 'truncation_direction' is 'up': use left or right");
  EXPECT_TRUE(refusal("/tei/embed", R"({"inputs": "a", "model": "nobody"})", 404).starts_with("Validation: "));
  EXPECT_TRUE(refusal("/tei/embed", "nonsense", 400).starts_with("Validation: "));
  settings.max_batch_inputs = 1;
  handle = nullptr;
  EXPECT_TRUE(refusal("/tei/embed", R"({"inputs": ["a", "b"]})", 413).starts_with("Validation: "));
  service.on_predict = [](const auto& job, const auto&) { job->fail({error_code::too_many_requests, "full", {}, 2}); };
  const auto full = ask("POST", "/tei/embed", R"({"inputs": "a"})");
  EXPECT_EQ(refusal(*full, 429), "Overloaded: full");
  EXPECT_EQ(full->header_of_answer("Retry-After"), "2");
  service.on_predict = [](const auto& job, const auto&) { job->fail({error_code::model_failed, "no", {}, {}}); };
  EXPECT_EQ(refusal("/tei/embed", R"({"inputs": "a"})", 500), "Backend: no");
  EXPECT_EQ(refusal(*ask("GET", "/tei/embed"), 405).substr(0, 11), "Validation:");
  EXPECT_EQ(refusal(*ask("GET", "/tei/nothing"), 404).substr(0, 11), "Validation:");
}

struct routes_tei_dialect : routes_tei {
  routes_tei_dialect() { dialect = "tei"; }
};

TEST_F(routes_tei_dialect, the_same_at_the_root) {
  EXPECT_EQ(post("/embed", R"({"inputs": "a"})"), "[[1.0,0.0]]");
  EXPECT_EQ(post("/tei/embed", R"({"inputs": "a"})"), "[[1.0,0.0]]");
  EXPECT_EQ(post("/predict", R"({"inputs": "a"})").substr(0, 15), R"([{"score":0.95,)") << "not document 001's";
  EXPECT_EQ(ask("GET", "/info")->answer->status, 200u);
  EXPECT_EQ(ask("GET", "/v1/models")->answer->status, 200u);
  EXPECT_EQ(ask("GET", "/models")->answer->status, 200u);
  EXPECT_EQ(refusal(*ask("GET", "/embed"), 405).substr(0, 11), "Validation:");
}

TEST_F(routes_tei_dialect, health_needs_no_key) {
  settings.api_keys = {"key"};
  EXPECT_EQ(ask("GET", "/health")->answer->body, "");
  EXPECT_EQ(refusal(*ask("POST", "/embed", R"({"inputs": "a"})"), 401).substr(0, 11), "Validation:");
}

TEST_F(routes_tei_dialect, the_root_takes_the_inference_form) {
  const auto d = parse(post("/", R"({"inputs": "a"})"));
  EXPECT_EQ(sent().model, "alpha");
  EXPECT_TRUE(d.IsArray());
  EXPECT_EQ(ask("GET", "/")->answer->status, 200u) << "the server's own";
  EXPECT_EQ(refusal("/", R"({"nothing": 1})", 400).substr(0, 11), "Validation:");
  service.default_name.clear();
  EXPECT_EQ(refusal("/", R"({"inputs": "a"})", 400).substr(0, 11), "Validation:");
}

TEST_F(routes_tei, elsewhere_the_root_is_the_servers) {
  EXPECT_EQ(ask("POST", "/embed", R"({"inputs": "a"})")->answer->status, 404u);
  EXPECT_EQ(ask("POST", "/", R"({"inputs": "a"})")->answer->status, 405u);
  EXPECT_EQ(parse(post("/predict", R"({"inputs": "a"})"))["prediction"], rapidjson::Value("prompt_injection"));
}

}  // namespace
}  // namespace troupe::http::tests
