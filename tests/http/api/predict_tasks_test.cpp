// /predict and /predict/batch, asked what tasks beside classification answer: document 001's envelope around them.

#include <gtest/gtest.h>

#include <cmath>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

const std::map<std::string, std::string> json_type{{"Content-Type", "application/json"}};

struct predict_tasks : ::testing::Test, bench {
  using answering = std::function<inference::output(const inference::input&)>;
  void answer(answering f) {
    service.on_predict = [f = std::move(f)](const auto& job, const auto& request) {
      job->begin(fake_service::classifier_info());
      for (std::uint32_t i = 0; i < request.inputs.size(); ++i) {
        auto r = fake_service::classified(i);
        r.value = f(request.inputs[i]);
        r.truncated = i == 1;
        job->write(std::move(r));
      }
    };
  }
  rapidjson::Document post(const std::string& body, const char* path = "/predict", unsigned status = 200) {
    const auto e = ask("POST", path, body, json_type);
    EXPECT_EQ(e->answer->status, status) << body << e->answer->body;
    return parse(e->answer->body);
  }
  const actors::predict_request& sent() const { return service.predicted.back(); }
};

// "a,b" of the second texts: good ones fit.
inference::output entails(const inference::input& in) {
  const bool good = in.only<inference::text_pair>()->second.find("good") != std::string::npos;
  return inference::label_scores{{0, good ? 20.0F : -20.0F}};
}
inference::output size_of_second(const inference::input& in) {
  return inference::single_score{static_cast<float>(in.only<inference::text_pair>()->second.size())};
}

void expect_envelope(const rapidjson::Value& d) {
  EXPECT_STREQ(d["model_used"].GetString(), "alpha");
  EXPECT_TRUE(d["cache_hit"].GetBool());
  EXPECT_TRUE(d["processing_time_ms"].IsNumber());
  EXPECT_TRUE(d["prediction_cache_hit"].IsBool());
}

TEST_F(predict_tasks, parameters_reach_the_model) {
  for (const char* body : {R"({"text":"a","parameters":{"top_k":2,"function_to_apply":"none"}})",
                           R"({"text":"a","top_k":2,"function_to_apply":"none"})"}) {
    const auto d = post(body);
    EXPECT_EQ(sent().asked.parameters.top_k, 2u);
    EXPECT_EQ(sent().asked.parameters.function_to_apply, inference::score_function::none);
    EXPECT_EQ(d["probabilities"].MemberCount(), 2u);
    EXPECT_STREQ(d["probabilities"].MemberBegin()->name.GetString(), "prompt_injection");
    EXPECT_STREQ(d["prediction"].GetString(), "prompt_injection");
  }
  post(R"({"inputs":["a","b"],"parameters":{"top_k":1}})", "/predict/batch");
  EXPECT_EQ(sent().asked.parameters.top_k, 1u);
  for (const char* bad : {R"({"text":"a","parameters":{"topk":2}})", R"({"text":"a","top_k":0})",
                          R"({"text":"a","multi_label":true})", R"({"text":"a","parameters":[]})"}) {
    expect_error(*ask("POST", "/predict", bad, json_type), 400, "BAD_REQUEST");
  }
  post(R"({"text":"a","topk":2})");  // what is unknown beside the text stays without effect
}

TEST_F(predict_tasks, pairs) {
  answer(size_of_second);
  auto d = post(R"({"text":"a","text_pair":"bb"})");
  EXPECT_STREQ(d["text"].GetString(), "a");
  EXPECT_EQ(d["score"].GetDouble(), 2);
  d = parse(ask("POST", "/predict?text=a&text_pair=b%20b")->answer->body);
  EXPECT_EQ(d["score"].GetDouble(), 3);
  d = parse(ask("POST", "/predict", "text=a&text_pair=b", {{"Content-Type", "application/x-www-form-urlencoded"}})
                ->answer->body);
  EXPECT_EQ(d["score"].GetDouble(), 1);
  d = post(R"([{"text":"a","text_pair":"bb"},{"text":"a","text_pair":""},{"text_pair":"a"}])", "/predict/batch");
  EXPECT_EQ(d["results"][0]["score"].GetDouble(), 2);
  EXPECT_STREQ(d["results"][0]["text"].GetString(), "a");
  EXPECT_EQ(d["batch_summary"]["failed_predictions"].GetInt(), 2);
  expect_error(*ask("POST", "/predict", R"({"text":"a","text_pair":" "})", json_type), 422, "UNPROCESSABLE");
  for (const char* bad : {R"({"text_pair":"a"})", R"({"inputs":"a","text_pair":"b"})", R"({"text":"a","text_pair":5})",
                          R"({"text":"a","texts":["b"],"text_pair":"c"})"}) {
    expect_error(*ask("POST", "/predict", bad, json_type), 400, "BAD_REQUEST");
  }
}

TEST_F(predict_tasks, texts_are_ranked_for_a_text) {
  answer(size_of_second);
  const auto d = post(R"({"text":"query","texts":["a","",{"text":"ccc"},"bb"]})");
  EXPECT_EQ(sent().asked.task, inference::task::text_ranking);
  EXPECT_EQ(sent().inputs[0].only<inference::text_pair>()->first, "query");
  EXPECT_STREQ(d["text"].GetString(), "query");
  ASSERT_EQ(d["labels"].Size(), 3u);
  EXPECT_STREQ(d["labels"][0].GetString(), "ccc");
  EXPECT_EQ(d["scores"][0].GetDouble(), 3);
  EXPECT_EQ(d["ranking"][0]["index"].GetInt(), 2);
  EXPECT_EQ(d["ranking"][2]["index"].GetInt(), 0);
  ASSERT_EQ(d["errors"].Size(), 1u);
  EXPECT_EQ(d["errors"][0]["index"].GetInt(), 1);
  EXPECT_TRUE(d["truncated"].GetBool());
  expect_envelope(d);
  EXPECT_EQ(post(R"({"inputs":{"query":"query","texts":["a","bb"]}})")["ranking"].Size(), 2u);
  // By themselves they are a list, as before.
  EXPECT_EQ(post(R"({"texts":[{"text":"a","text_pair":"b"}]})")["results"].Size(), 1u);
  expect_error(*ask("POST", "/predict/batch", R"({"text":"query","texts":["a"]})", json_type), 400, "BAD_REQUEST");
  expect_error(*ask("POST", "/predict", R"({"text":"query","texts":[]})", json_type), 422, "UNPROCESSABLE");
  expect_error(*ask("POST", "/predict", R"({"text":" ","texts":["a"]})", json_type), 422, "UNPROCESSABLE");
}

TEST_F(predict_tasks, candidate_labels) {
  answer(entails);
  auto d = post(R"({"text":"It works","parameters":{"candidate_labels":["bad","good"],"multi_label":true}})");
  EXPECT_EQ(sent().asked.task, inference::task::zero_shot_classification);
  EXPECT_STREQ(d["text"].GetString(), "It works");
  EXPECT_STREQ(d["labels"][0].GetString(), "good");
  EXPECT_NEAR(d["scores"][0].GetDouble(), 1, 1e-6);
  EXPECT_STREQ(d["labels"][1].GetString(), "bad");
  EXPECT_TRUE(d["truncated"].GetBool());
  expect_envelope(d);
  d = post(R"({"inputs":["one",""],"candidate_labels":"bad, good"})", "/predict/batch");
  ASSERT_EQ(d["results"].Size(), 2u);
  EXPECT_STREQ(d["results"][0]["labels"][0].GetString(), "good");
  EXPECT_TRUE(d["results"][1].HasMember("error"));
  EXPECT_EQ(d["batch_summary"]["total_texts"].GetInt(), 2);
  EXPECT_EQ(d["batch_summary"]["successful_predictions"].GetInt(), 1);
  EXPECT_EQ(sent().inputs.size(), 2u) << "the good text with either label";
}

TEST_F(predict_tasks, candidate_labels_as_events) {
  answer(entails);
  const auto e = send("POST", "/predict",
                      R"({"inputs":["one","two",""],"candidate_labels":["bad","good"],"stream":true})", json_type);
  e->pump();
  const auto events = events_of(e->stream->written);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_STREQ(parse(events[1].data)["labels"][0].GetString(), "good");
  EXPECT_TRUE(parse(events[1].data)["last"].GetBool());
  EXPECT_TRUE(parse(events[2].data).HasMember("error"));
  EXPECT_EQ(events[3].name, "done");
  EXPECT_EQ(parse(events[3].data)["batch_summary"]["successful_predictions"].GetInt(), 2);
  EXPECT_TRUE(e->stream->ended);
}

TEST_F(predict_tasks, vectors_and_their_similarity) {
  answer([](const auto& in) -> inference::output {
    return inference::embedding{{*in.template only<std::string>() == "other" ? 0.0F : 1.0F, 1}};
  });
  EXPECT_EQ(post(R"({"text":"a"})")["embedding"].Size(), 2u);
  EXPECT_STREQ(post(R"({"text":"a","encoding_format":"base64"})")["embedding"].GetString(), "AACAPwAAgD8=");
  const auto d = post(R"({"inputs":{"source_sentence":"a","sentences":["other","same"]}})");
  EXPECT_STREQ(d["text"].GetString(), "a");
  EXPECT_STREQ(d["labels"][0].GetString(), "same");
  EXPECT_NEAR(d["scores"][1].GetDouble(), std::sqrt(0.5), 1e-6);
}

TEST_F(predict_tasks, a_parameter_that_no_text_can_mend_fails_the_batch) {
  service.on_predict = [](const auto& job, const auto& request) {
    job->begin(fake_service::classifier_info());
    for (std::uint32_t i = 0; i < request.inputs.size(); ++i) {
      auto r = fake_service::classified(i);
      r.value = fail(error_code::bad_request, "'stride' is no parameter of text-classification");
      job->write(std::move(r));
    }
  };
  expect_error(*ask("POST", "/predict/batch", R"({"inputs":["a","b"],"stride":1})", json_type), 400, "BAD_REQUEST");
}

TEST_F(predict_tasks, what_was_cut_is_told_in_the_head_too) {
  answer(entails);
  const auto e = ask("POST", "/predict", R"({"text":"a","candidate_labels":["x","y"]})", json_type);
  EXPECT_EQ(e->header_of_answer("X-Truncated"), "true");
}

}  // namespace
}  // namespace troupe::http::tests
