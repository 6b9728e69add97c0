// POST /models/{model_name}: Hugging Face's inference form, through the real routes.

#include <gtest/gtest.h>

#include <cmath>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

const std::map<std::string, std::string> json_type{{"Content-Type", "application/json"}};

struct inference_form : ::testing::Test, bench {
  // What the model answers to the i-th input.
  using answering = std::function<inference::output(const inference::input&, std::size_t)>;
  void answer(answering f, std::vector<inference::task> tasks = {}) {
    service.on_predict = [f = std::move(f), tasks = std::move(tasks)](const auto& job, const auto& request) {
      auto info = fake_service::classifier_info();
      info.labels = {"no", "yes", "maybe"};
      info.tasks = tasks;
      job->begin(info);
      for (std::uint32_t i = 0; i < request.inputs.size(); ++i) {
        auto r = fake_service::classified(i);
        r.value = f(request.inputs[i], i);
        job->write(std::move(r));
      }
    };
  }
  void answer_all(const inference::output& out) {
    answer([out](const auto&, std::size_t) { return out; });
  }
  std::shared_ptr<fake_exchange> post(const std::string& body, std::map<std::string, std::string> headers = json_type) {
    return ask("POST", "/models/alpha", body, std::move(headers));
  }
  std::string body_of(const std::string& body) {
    const auto e = post(body);
    EXPECT_EQ(e->answer->status, 200u) << body << e->answer->body;
    return e->answer->body;
  }
  const actors::predict_request& sent() const { return service.predicted.back(); }
  // The error's message and detail.
  std::string refused(const std::string& body, unsigned status) {
    const auto before = service.predicted.size();
    const auto e = post(body);
    EXPECT_EQ(e->answer->status, status) << body << e->answer->body;
    if (e->answer->status == 200) return {};
    EXPECT_EQ(service.predicted.size(), before) << body << ": nothing is asked of the model";
    const auto d = parse(e->answer->body);
    return d["detail"].GetString();
  }
};

const inference::label_scores three_classes{{0.25F, 0.5F, 0.125F}};

TEST_F(inference_form, classes_stand_in_a_list_more) {
  answer_all(three_classes);
  const std::string classes =
      R"([{"label":"yes","score":0.5},{"label":"no","score":0.25},{"label":"maybe","score":0.125}])";
  EXPECT_EQ(body_of(R"({"inputs":"a"})"), "[" + classes + "]");
  EXPECT_EQ(body_of(R"({"inputs":["a"]})"), "[" + classes + "]");
  EXPECT_EQ(body_of(R"({"inputs":["a","b"]})"), "[" + classes + "," + classes + "]");
  EXPECT_EQ(body_of(R"({"inputs":"a","parameters":{"top_k":1}})"), R"([[{"label":"yes","score":0.5}]])");
  EXPECT_EQ(body_of(R"({"inputs":"a","top_k":9})"), "[" + classes + "]");
  EXPECT_FALSE(sent().asked.task) << "the model's own";
  EXPECT_EQ(sent().asked.parameters.top_k, 9u);
  EXPECT_EQ(sent().model, "alpha");
}

TEST_F(inference_form, a_score_that_is_no_number_is_null) {
  answer_all(inference::label_scores{{std::nanf(""), 0.5F, INFINITY}});
  EXPECT_EQ(body_of(R"({"inputs":"a"})"),
            R"([[{"label":"maybe","score":null},{"label":"yes","score":0.5},{"label":"no","score":null}]])");
}

TEST_F(inference_form, pairs) {
  answer_all(inference::single_score{0.5F});
  EXPECT_EQ(body_of(R"({"inputs":{"text":"a","text_pair":"b"}})"), R"([[{"label":"no","score":0.5}]])");
  const auto* pair = sent().inputs[0].only<inference::text_pair>();
  ASSERT_NE(pair, nullptr);
  EXPECT_EQ(pair->first + "|" + pair->second, "a|b");
  EXPECT_EQ(
      parse(body_of(R"({"inputs":[{"text":"a","text_pair":"b"},{"text":"c"},"d",{"text":"e","text_pair":null}]})"))
          .Size(),
      4u);
  EXPECT_NE(sent().inputs[0].only<inference::text_pair>(), nullptr);
  EXPECT_EQ(*sent().inputs[1].only<std::string>(), "c");
  EXPECT_EQ(*sent().inputs[3].only<std::string>(), "e");
}

TEST_F(inference_form, entities) {
  const inference::text_span span{"PER", "Ann", 0.5F, 0, 3, 1};
  answer_all(inference::spans{{span}, false});
  EXPECT_EQ(body_of(R"({"inputs":"Ann"})"), R"([{"entity_group":"PER","score":0.5,"word":"Ann","start":0,"end":3}])");
  answer_all(inference::spans{{span}, true});
  EXPECT_EQ(body_of(R"({"inputs":["Ann"],"parameters":{"aggregation_strategy":"none","ignore_labels":[],"stride":0}})"),
            R"([[{"entity":"PER","score":0.5,"index":1,"word":"Ann","start":0,"end":3}]])");
  const auto& told = sent().asked.parameters;
  EXPECT_EQ(told.aggregation_strategy, inference::aggregation::none);
  EXPECT_EQ(told.ignore_labels, std::vector<std::string>{});
  EXPECT_EQ(told.stride, 0u);
}

TEST_F(inference_form, vectors) {
  answer_all(inference::embedding{{0.5F, -2, std::nanf("")}});
  EXPECT_EQ(body_of(R"({"inputs":"a"})"), "[0.5,-2.0,null]");
  EXPECT_EQ(body_of(R"({"inputs":["a","b"],"encoding_format":"float"})"), "[[0.5,-2.0,null],[0.5,-2.0,null]]");
  answer_all(inference::embedding{{0.5F, -2, 0}});
  EXPECT_EQ(body_of(R"({"inputs":"a","encoding_format":"base64"})"), R"("AAAAPwAAAMAAAAAA")");
  body_of(R"({"inputs":"a","normalize":false,"truncate":false,"truncation_direction":"Left","prompt_name":"query",
              "dimensions":2})");
  const auto& told = sent().asked.parameters;
  EXPECT_EQ(told.normalize, false);
  EXPECT_EQ(told.truncate, false);
  EXPECT_EQ(told.truncate_left, true);
  EXPECT_EQ(told.prompt_name, "query");
  EXPECT_EQ(told.dimensions, 2u);
  answer_all(inference::token_embeddings{{1, 2, 3, 4}, 2});
  EXPECT_EQ(body_of(R"({"inputs":"a"})"), "[[1.0,2.0],[3.0,4.0]]");
}

TEST_F(inference_form, sentences_beside_one) {
  answer([](const auto& in, std::size_t) -> inference::output {
    const auto& text = *in.template only<std::string>();
    if (text == "same") return inference::embedding{{2, 0}};
    if (text == "other") return inference::embedding{{0, 1}};
    if (text == "none") return inference::embedding{{std::nanf(""), 1}};
    return inference::embedding{{1, 0}};
  });
  EXPECT_EQ(
      body_of(R"({"inputs":{"source_sentence":"s","sentences":["same","other","none"," ",5,{"text":"same"}]}})"),
      R"([1.0,0.0,null,{"error":"The text is empty","code":"UNPROCESSABLE","detail":"send at least one visible )"
      R"(character"},{"error":"An element of 'sentences' is a number","code":"UNPROCESSABLE","detail":"send texts"},1.0])");
  EXPECT_EQ(sent().asked.task, inference::task::sentence_similarity);
  EXPECT_EQ(sent().inputs.size(), 5u) << "the sentence itself first";
  EXPECT_EQ(parse(body_of(R"({"inputs":{"source_sentence":"s","sentences":[" "]}})")).Size(), 1u);
}

TEST_F(inference_form, ranking) {
  answer([](const auto& in, std::size_t) -> inference::output {
    return inference::single_score{static_cast<float>(in.template only<inference::text_pair>()->second.size()) / 8};
  });
  EXPECT_EQ(body_of(R"({"inputs":{"query":"q","texts":["a",{"text":"bbb","id":7},"cc"]}})"),
            R"([{"index":1,"score":0.375},{"index":2,"score":0.25},{"index":0,"score":0.125}])");
  EXPECT_EQ(sent().asked.task, inference::task::text_ranking);
  EXPECT_EQ(sent().inputs[0].only<inference::text_pair>()->first, "q");
  EXPECT_EQ(
      body_of(R"({"inputs":{"query":"q","texts":["a","","bb"]},"return_text":true,"raw_scores":true})"),
      R"([{"index":2,"score":0.25,"text":"bb"},{"index":0,"score":0.125,"text":"a"},{"index":1,"error":"The text )"
      R"(is empty","code":"UNPROCESSABLE","detail":"send at least one visible character"}])");
  EXPECT_EQ(sent().asked.parameters.raw_scores, true);
}

TEST_F(inference_form, masks) {
  const inference::mask_candidate best{7, 0.5F, "a", "a b"};
  answer_all(inference::mask_candidates{{{best}}});
  const std::string told = R"([{"sequence":"a b","score":0.5,"token":7,"token_str":"a"}])";
  EXPECT_EQ(body_of(R"({"inputs":"[MASK] b","parameters":{"top_k":1,"targets":["a"]}})"), told);
  EXPECT_EQ(sent().asked.parameters.targets, std::vector<std::string>{"a"});
  EXPECT_EQ(body_of(R"({"inputs":["[MASK] b"],"targets":"a"})"), "[" + told + "]");
  answer_all(inference::mask_candidates{{{best}, {best}}});
  EXPECT_EQ(body_of(R"({"inputs":"[MASK] [MASK]"})"), "[" + told + "," + told + "]");
}

TEST_F(inference_form, candidate_labels) {
  answer([](const auto& in, std::size_t) -> inference::output {
    const auto& hypothesis = in.template only<inference::text_pair>()->second;
    return inference::label_scores{{0, hypothesis.find("good") != std::string::npos ? 20.0F : -20.0F}};
  });
  auto d = parse(body_of(R"({"inputs":"It works","parameters":{"candidate_labels":["bad","good"]}})"));
  ASSERT_EQ(d.Size(), 2u);
  EXPECT_STREQ(d[0]["label"].GetString(), "good");
  EXPECT_NEAR(d[0]["score"].GetDouble(), 1, 1e-6);
  EXPECT_EQ(sent().asked.task, inference::task::zero_shot_classification);
  EXPECT_EQ(sent().inputs[1].only<inference::text_pair>()->first, "It works");
  EXPECT_EQ(sent().inputs[1].only<inference::text_pair>()->second, "This example is good.");
  d = parse(body_of(R"({"inputs":["a"," ","b"],"candidate_labels":" good, bad ,,good","multi_label":true,
                        "hypothesis_template":"{}, really {}"})"));
  ASSERT_EQ(d.Size(), 3u);
  EXPECT_EQ(d[0].Size(), 3u) << "the same label twice is two";
  EXPECT_TRUE(d[1].HasMember("error"));
  EXPECT_EQ(d[2][0]["score"].GetFloat(), d[2][1]["score"].GetFloat());
  ASSERT_EQ(sent().inputs.size(), 6u);
  EXPECT_EQ(sent().inputs[4].only<inference::text_pair>()->second, "bad, really bad");
}

TEST_F(inference_form, many_candidate_labels) {
  std::string labels = R"("l")";
  for (int i = 1; i < 600; ++i) labels += R"(,"l")";
  const auto why = refused(R"({"inputs":["a","b"],"candidate_labels":[)" + labels + "]}", 413);
  EXPECT_NE(why.find("1200 inputs"), std::string::npos) << why;
  EXPECT_NE(why.find("max_batch_inputs"), std::string::npos) << why;
  // Each text is copied as often as there are labels: together they stay within a body.
  const std::string long_text(100000, 'x');
  EXPECT_NE(
      refused(R"({"inputs":")" + long_text + R"(","candidate_labels":[)" + labels + "]}", 413).find("max_body_bytes"),
      std::string::npos);
  EXPECT_NE(refused(R"({"inputs":"a","candidate_labels":["a"],"hypothesis_template":"{})" + std::string(300000, 'x') +
                        R"("})",
                    413)
                .find("max_text_bytes"),
            std::string::npos);
}

TEST_F(inference_form, tensors) {
  service.on_predict = [](const auto& job, const auto& request) {
    job->begin(inference::model_info{});
    for (std::uint32_t i = 0; i < request.inputs.size(); ++i) {
      auto r = fake_service::classified(i);
      const auto& in = *request.inputs[i].template only<inference::tensor>();
      r.value =
          i == 0 ? inference::named_tensors{{{"first", in}, {"second", in}}} : inference::named_tensors{{{"", in}}};
      job->write(std::move(r));
    }
  };
  const auto to_tensors = [&](const std::string& body, unsigned status = 200) {
    const auto e = ask("POST", "/models/tensors", body, json_type);
    EXPECT_EQ(e->answer->status, status) << e->answer->body;
    return e->answer->body;
  };
  const std::string x = R"({"x":{"shape":[2],"datatype":"FP32","data":[1,2.5]}})";
  const std::string value = R"({"data":[1.0,2.5],"shape":[2],"datatype":"float32"})";
  EXPECT_EQ(to_tensors(R"({"inputs":)" + x + "}"), R"({"first":)" + value + R"(,"second":)" + value + "}");
  EXPECT_EQ(sent().inputs[0].values[0].name, "x");
  EXPECT_EQ(to_tensors(R"({"inputs":)" + x + R"(,"outputs":["second"]})"), R"({"second":)" + value + "}");
  EXPECT_EQ(to_tensors(R"({"inputs":[)" + x + "," + x + "]}"),
            R"([{"first":)" + value + R"(,"second":)" + value + R"(},{"output":)" + value + "}]");
  EXPECT_EQ(to_tensors(R"({"inputs":[[1,2.5],[3,4]]})").find(R"([{"first")"), 0u) << "bare numbers, too";
  EXPECT_EQ(
      to_tensors(R"({"inputs":{"x":{"data":[[1],[2]],"shape":[2,1]}}})").find(R"({"first":{"data":[[1.0],[2.0]])"), 0u);
  EXPECT_EQ(to_tensors(R"({"inputs":{"x":{"data":[1,2],"shape":[1,2]}}})").find(R"({"first":{"data":[[1.0,2.0]])"), 0u);
  const struct {
    const char* inputs;
    unsigned status;
    const char* names;
  } bad[] = {{R"({"y":{"data":[1]}})", 422, "its inputs are x"},
             {R"({"x":{"shape":[1]}})", 422, "no data"},
             {R"({"x":{"data":[1,2],"shape":[3]}})", 422, "shape"},
             {R"({"x":{"data":[1,2],"shape":[-2]}})", 422, "shape"},
             {R"({"x":{"data":[1,2],"shape":[9223372036854775807,9223372036854775807]}})", 422, "shape"},
             {R"({"x":{"data":[1,2],"shape":2}})", 422, "shape"},
             {R"({"x":{"data":[1,2],"datatype":"FP31"}})", 422, "datatype"},
             {R"({"x":{"data":["a"]}})", 422, "string"},
             {R"({"x":{"data":[1],"more":1}})", 422, "more"},
             {R"({"x":[1,2]})", 400, "'x'"},
             {R"({})", 400, "empty object"},
             {R"("a")", 422, "numbers"}};
  for (const auto& c : bad) {
    const auto told = to_tensors(std::string(R"({"inputs":)") + c.inputs + "}", c.status);
    EXPECT_NE(told.find(c.names), std::string::npos) << told;
  }
  const auto unknown = to_tensors(R"({"inputs":)" + x + R"(,"outputs":["third"]})", 400);
  EXPECT_NE(unknown.find("the model gives first, second"), std::string::npos) << unknown;
}

TEST_F(inference_form, bad_texts_fail_alone) {
  answer([](const auto& in, std::size_t) -> inference::output {
    EXPECT_EQ(*in.template only<std::string>(), "good");
    return three_classes;
  });
  const auto d = parse(body_of("{\"inputs\":[\"\",\"good\",1,null,[\"x\"],{\"a\":1},{\"text\":5},{\"text\":\" \"},\"" +
                               std::string(settings.max_text_bytes + 1, 'x') + "\"]}"));
  ASSERT_EQ(d.Size(), 9u);
  for (unsigned i = 0; i < d.Size(); ++i) {
    if (i == 1) {
      EXPECT_EQ(d[i].Size(), 3u);
    } else {
      EXPECT_TRUE(d[i].HasMember("error")) << i;
    }
  }
  EXPECT_STREQ(d[8]["code"].GetString(), "PAYLOAD_TOO_LARGE");
  const auto asked = service.predicted.size();
  EXPECT_EQ(parse(body_of(R"({"inputs":[""," "]})")).Size(), 2u);
  EXPECT_EQ(service.predicted.size(), asked) << "nothing is asked of the model";
}

TEST_F(inference_form, one_input_fails_as_a_whole) {
  service.on_predict = [](const auto& job, const auto&) {
    auto r = fake_service::classified(0);
    r.value = fail(error_code::unprocessable, "it has no mask");
    job->write(std::move(r));
  };
  expect_error(*post(R"({"inputs":"a"})"), 422, "UNPROCESSABLE");
  EXPECT_EQ(parse(body_of(R"({"inputs":["a"]})"))[0]["error"], "it has no mask");
}

TEST_F(inference_form, what_is_wrong_with_the_request_is_not_told_of_each_text) {
  const auto all_fail = [this](error_code code, std::vector<inference::task> tasks) {
    service.on_predict = [code, tasks](const auto& job, const auto& request) {
      inference::model_info info;
      info.tasks = tasks;
      job->begin(info);
      for (std::uint32_t i = 0; i < request.inputs.size(); ++i) {
        auto r = fake_service::classified(i);
        r.value = fail(code, "no such thing", "it does text-classification");
        job->write(std::move(r));
      }
    };
  };
  all_fail(error_code::bad_request, {inference::task::text_classification});
  expect_error(*post(R"({"inputs":["a","b"],"stride":2})"), 400, "BAD_REQUEST");
  all_fail(error_code::unprocessable, {inference::task::text_classification});
  for (const char* other :
       {R"({"inputs":["a","b"],"candidate_labels":["x"]})", R"({"inputs":{"query":"q","texts":["a","b"]}})",
        R"({"inputs":{"source_sentence":"q","sentences":["a","b"]}})"}) {
    expect_error(*post(other), 422, "UNPROCESSABLE");
  }
}

TEST_F(inference_form, bad_requests) {
  const std::string long_text(1 << 20, 'x');
  const struct {
    std::string body;
    unsigned status;
    const char* names;
  } cases[] = {
      {"", 400, "empty"},
      {"{}", 400, "'inputs' is missing"},
      {R"({"inputs":null})", 400, "'inputs' is missing"},
      {R"(["a"])", 400, "an array"},
      {R"("a")", 400, "a string"},
      {R"({"inputs":"a")", 400, "JSON"},
      {R"({"inputs":5})", 400, "'inputs'"},
      {R"({"inputs":true})", 400, "'inputs'"},
      {R"({"inputs":[]})", 400, "empty"},
      {R"({"inputs":""})", 422, "empty"},
      {R"({"inputs":" \n\u3000"})", 422, "empty"},
      {R"({"inputs":")" + long_text + "\"}", 413, "max_text_bytes"},
      {R"({"inputs":{"text":"a","text_pair":")" + long_text + "\"}}", 413, "max_text_bytes"},
      {R"({"inputs":{"text":"a","text_pair":" "}})", 422, "empty"},
      {R"({"inputs":{"text":5}})", 400, "'text' must be a string"},
      {R"({"inputs":{"text_pair":"a"}})", 400, "'text' is missing"},
      {R"({"inputs":{"text":"a","more":"b"}})", 400, "'more'"},
      {R"({"inputs":{"question":"q","context":"c"}})", 422, "question-answering"},
      {R"({"inputs":{"source_sentence":"a"}})", 400, "'sentences' is missing"},
      {R"({"inputs":{"sentences":["a"]}})", 400, "'source_sentence' is missing"},
      {R"({"inputs":{"source_sentence":"a","sentences":[]}})", 400, "empty"},
      {R"({"inputs":{"source_sentence":"a","sentences":"b"}})", 400, "'sentences'"},
      {R"({"inputs":{"source_sentence":" ","sentences":["b"]}})", 422, "empty"},
      {R"({"inputs":{"query":"a"}})", 400, "'texts' is missing"},
      {R"({"inputs":{"query":5,"texts":["a"]}})", 400, "'query'"},
      {R"({"inputs":{"query":"a","texts":[]}})", 400, "empty"},
      {R"({"inputs":"a","parameters":5})", 400, "'parameters'"},
      {R"({"inputs":"a","parameters":{"topk":5}})", 400, "'topk'"},
      {R"({"inputs":"a","topk":5})", 400, "'topk'"},
      {R"({"inputs":"a","parameters":{"top_k":0}})", 400, "'top_k'"},
      {R"({"inputs":"a","parameters":{"top_k":-1}})", 400, "'top_k'"},
      {R"({"inputs":"a","parameters":{"top_k":1.5}})", 400, "'top_k'"},
      {R"({"inputs":"a","parameters":{"top_k":"5"}})", 400, "'top_k'"},
      {R"({"inputs":"a","parameters":{"top_k":4294967296}})", 400, "'top_k'"},
      {R"({"inputs":"a","parameters":{"top_k":18446744073709551615}})", 400, "'top_k'"},
      {R"({"inputs":"a","function_to_apply":"tanh"})", 400, "softmax, sigmoid or none"},
      {R"({"inputs":"a","function_to_apply":1})", 400, "'function_to_apply'"},
      {R"({"inputs":"a","aggregation_strategy":"all"})", 400, "simple"},
      {R"({"inputs":"a","ignore_labels":[1]})", 400, "'ignore_labels'"},
      {R"({"inputs":"a","ignore_labels":{}})", 400, "'ignore_labels'"},
      {R"({"inputs":"a","stride":-1})", 400, "'stride'"},
      {R"({"inputs":"a","normalize":"yes"})", 400, "'normalize'"},
      {R"({"inputs":"a","truncation_direction":"up"})", 400, "left or right"},
      {R"({"inputs":"a","dimensions":0})", 400, "'dimensions'"},
      {R"({"inputs":"a","encoding_format":"hex"})", 400, "float or base64"},
      {R"({"inputs":"a","prompt_name":")" + std::string(300, 'p') + "\"}", 400, "'prompt_name'"},
      {R"({"inputs":"a","targets":[")" + std::string(40000, 't') + "\"]}", 400, "'targets'"},
      {R"({"inputs":"a","candidate_labels":[]})", 400, "'candidate_labels'"},
      {R"({"inputs":"a","candidate_labels":" , "})", 400, "'candidate_labels'"},
      {R"({"inputs":"a","candidate_labels":["a"," "]})", 400, "'candidate_labels'"},
      {R"({"inputs":"a","candidate_labels":["a",1]})", 400, "'candidate_labels'"},
      {R"({"inputs":"a","candidate_labels":["a"],"hypothesis_template":"It is."})", 400, "{}"},
      {R"({"inputs":"a","hypothesis_template":"It is {}."})", 400, "candidate_labels"},
      {R"({"inputs":"a","multi_label":true})", 400, "candidate_labels"},
      {R"({"inputs":{"query":"q","texts":["a"]},"candidate_labels":["a"]})", 400, "'candidate_labels'"},
      {R"({"inputs":{"text":"q","text_pair":"b"},"candidate_labels":["a"]})", 422, "candidate_labels"},
      {R"({"inputs":"a","return_text":true})", 400, "'return_text'"},
      {R"({"inputs":"a","options":[]})", 400, "'options'"},
      {R"({"inputs":"a","options":{"use_cach":true}})", 400, "'use_cach'"},
      {R"({"inputs":"a","options":{"use_cache":"no"}})", 400, "'use_cache'"},
  };
  for (const auto& c : cases) {
    const auto why = refused(c.body, c.status);
    EXPECT_NE(why.find(c.names), std::string::npos) << c.body.substr(0, 90) << ": " << why;
  }
  expect_error(*post("<a/>", {{"Content-Type", "application/xml"}}), 415, "UNSUPPORTED_MEDIA");
  expect_error(*post(R"({"inputs":"a"})", {{"Content-Encoding", "gzip"}}), 415, "UNSUPPORTED_MEDIA");
  expect_error(*ask("POST", "/models/nobody", R"({"inputs":"a"})", json_type), 404, "MODEL_NOT_FOUND");
}

TEST_F(inference_form, parameters_of_another_answer_are_refused) {
  answer_all(three_classes);
  expect_error(*post(R"({"inputs":"a","encoding_format":"base64"})"), 400, "BAD_REQUEST");
  expect_error(*post(R"({"inputs":"a","outputs":["x"]})"), 400, "BAD_REQUEST");
}

TEST_F(inference_form, a_model_of_candidate_labels_wants_some) {
  service.models["alpha"]->task = "zero-shot-classification";
  EXPECT_NE(refused(R"({"inputs":"a"})", 400).find("'candidate_labels' is missing"), std::string::npos);
}

TEST_F(inference_form, nulls_are_absent) {
  answer_all(three_classes);
  body_of(R"({"inputs":"a","parameters":null,"options":null,"top_k":null,"candidate_labels":null})");
  body_of(R"({"inputs":"a","parameters":{"top_k":null},"options":{"use_cache":null}})");
  EXPECT_EQ(sent().asked.parameters, inference::task_parameters{});
}

TEST_F(inference_form, the_cache_may_be_declined) {
  answer_all(three_classes);
  body_of(R"({"inputs":"a","options":{"use_cache":true,"wait_for_model":true}})");
  EXPECT_TRUE(sent().use_prediction_cache);
  body_of(R"({"inputs":"a","options":{"use_cache":false}})");
  EXPECT_FALSE(sent().use_prediction_cache);
  post(R"({"inputs":"a"})", {{"X-Use-Cache", "false"}});
  EXPECT_FALSE(sent().use_prediction_cache);
  post(R"({"inputs":"a"})", {{"Cache-Control", "no-cache"}});
  EXPECT_FALSE(sent().use_prediction_cache);
}

TEST_F(inference_form, what_was_cut_is_told_in_the_head) {
  service.on_predict = [](const auto& job, const auto& request) {
    job->begin(fake_service::classifier_info());
    for (std::uint32_t i = 0; i < request.inputs.size(); ++i) {
      auto r = fake_service::classified(i);
      r.truncated = i == 1;
      job->write(std::move(r));
    }
  };
  auto e = post(R"({"inputs":["a","b"]})");
  EXPECT_EQ(e->header_of_answer("X-Truncated"), "true");
  EXPECT_EQ(e->header_of_answer("Server-Timing"), "queue;dur=1.200, tokenize;dur=0.040, infer;dur=3.004");
  EXPECT_EQ(post(R"({"inputs":["a"]})")->header_of_answer("X-Truncated"), "");
}

TEST_F(inference_form, a_model_with_a_namespace) {
  answer_all(three_classes);
  for (const char* path : {"/models/org/gamma", "/models/org%2Fgamma"}) {
    EXPECT_EQ(ask("POST", path, R"({"inputs":"a"})", json_type)->answer->status, 200u);
    EXPECT_EQ(sent().model, "org/gamma");
  }
}

TEST_F(inference_form, other_routes_under_models_stay) {
  answer_all(three_classes);
  ask("POST", "/models/alpha/load");
  EXPECT_EQ(service.called.rfind("load alpha", 0), 0u);
  EXPECT_EQ(ask("POST", "/models/available")->answer->status, 405u);
  EXPECT_EQ(ask("POST", "/models/cache/info")->answer->status, 405u);
  EXPECT_EQ(ask("GET", "/models/alpha")->answer->status, 200u);
  ask("POST", "/models/download", R"({"inputs":"a"})", json_type);
  ask("POST", "/models/manage", R"({"inputs":"a"})", json_type);
  EXPECT_TRUE(service.predicted.empty());
  EXPECT_EQ(ask("DELETE", "/models/alpha")->header_of_answer("Allow"), "GET, HEAD, POST, OPTIONS");
}

TEST_F(inference_form, steps_stand_in_a_list) {
  service.on_predict = [](const auto& job, const auto&) {
    job->begin(inference::model_info{});
    for (int n = 0; n < 2; ++n) {
      auto r = fake_service::classified(0);
      r.value = inference::transcript{std::to_string(n), true, {}, {}};
      r.last = n == 1;
      job->write(std::move(r));
    }
  };
  EXPECT_EQ(body_of(R"({"inputs":"a"})"), R"([{"text":"0"},{"text":"1"}])");
}

}  // namespace
}  // namespace troupe::http::tests
