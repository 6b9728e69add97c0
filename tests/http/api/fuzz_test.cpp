#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "http/json/text.hpp"
#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

// ROUTES_FUZZ_SEED repeats a run, ROUTES_FUZZ_ROUNDS makes it longer.
std::uint64_t number_of(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// What a model of the task that is asked would say.
void answer_as_asked(const std::shared_ptr<actors::job>& job, const actors::predict_request& request) {
  auto info = fake_service::classifier_info();
  job->begin(info);
  for (std::uint32_t i = 0; i < request.inputs.size(); ++i) {
    auto r = fake_service::classified(i);
    if (request.asked.task == inference::task::text_ranking) r.value = inference::single_score{0.5F};
    if (request.asked.task == inference::task::sentence_similarity) r.value = inference::embedding{{1, 2}};
    if (request.asked.task == inference::task::zero_shot_classification) r.value = inference::label_scores{{-1, 1}};
    job->write(std::move(r));
  }
}

TEST(routes_fuzz, every_input_gets_exactly_one_valid_answer) {
  const auto seed = number_of("ROUTES_FUZZ_SEED", std::random_device{}());
  const auto rounds = number_of("ROUTES_FUZZ_ROUNDS", 5000);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  SCOPED_TRACE("ROUTES_FUZZ_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::vector<std::string> pieces{"{",
                                        "}",
                                        "[",
                                        "]",
                                        ":",
                                        ",",
                                        "\"text\"",
                                        "\"inputs\"",
                                        "\"model_name\"",
                                        "\"timeout\"",
                                        "\"a\"",
                                        "1",
                                        "-1e9",
                                        "1e999",
                                        "null",
                                        "true",
                                        "\"\\ud800\"",
                                        "\"\\u0000\"",
                                        "\xff",
                                        "\xc3\xa9",
                                        "[1,2]",
                                        "[[1,2],[3]]",
                                        "\"tensors\"",
                                        "\"stream\"",
                                        "\"alpha\"",
                                        " ",
                                        "\"",
                                        "\\",
                                        "{\"text\":\"a\"}",
                                        "{\"inputs\":[\"a\",\"\"]}",
                                        "[\"a\",1]",
                                        "\"parameters\"",
                                        "\"candidate_labels\"",
                                        "\"top_k\"",
                                        "\"texts\"",
                                        "{\"inputs\":",
                                        "{\"text\":\"a\",\"text_pair\":\"b\"}",
                                        "{\"query\":\"a\",\"texts\":[\"b\",2]}",
                                        "{\"source_sentence\":\"a\",\"sentences\":[\"b\",\"\"]}",
                                        "{\"x\":{\"data\":[1,2],\"shape\":[2]}}",
                                        ",\"candidate_labels\":[\"a\",\"b\"]}",
                                        "}"};
  const std::vector<std::string> asked{"/predict", "/predict/batch", "/models/alpha", "/models/tensors"};
  const std::vector<std::string> parts{"/",      "predict",   "models", "alpha",       "load",     "batch",  "..",
                                       "%2e%2e", "%2f",       "%",      "%zz",         "%ff",      "?",      "text=",
                                       "&",      "=",         "+",      "model_name=", "timeout=", "health", "metrics",
                                       "stats",  "org/gamma", "\x01",   "a",           "%00",      "."};
  const std::vector<std::string> methods{"GET", "POST", "HEAD", "OPTIONS", "DELETE", "", "X\xff"};
  const std::vector<std::string> types{"application/json", "",  "application/x-www-form-urlencoded",
                                       "text/plain",       ";", "+json"};
  bench b;
  b.service.on_predict = answer_as_asked;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::string target = "/", body;
    if (below(2) == 0) {
      target = asked[below(asked.size())];
    } else {
      for (auto n = below(6); n > 0; --n) target += parts[below(parts.size())];
    }
    for (auto n = below(12); n > 0; --n) {
      if (below(8) == 0) {
        body.push_back(static_cast<char>(below(256)));
      } else {
        body += pieces[below(pieces.size())];
      }
    }
    std::map<std::string, std::string> headers{{"Content-Type", types[below(types.size())]}};
    if (below(8) == 0) headers["Accept"] = "text/event-stream";
    const auto& method = below(3) == 0 ? methods[below(methods.size())] : methods[1];
    const auto e = b.send(method, target, body, headers);
    e->pump();
    ASSERT_EQ(e->answers + (e->streaming ? 1 : 0), 1) << method << " " << shown(target) << "\n" << shown(body, 400);
    if (e->streaming) {
      ASSERT_TRUE(e->stream->ended);
      continue;
    }
    ASSERT_GE(e->answer->status, 200u);
    ASSERT_NE(e->answer->status, 500u) << e->answer->body;
    ASSERT_TRUE(is_utf8(e->answer->body));
    if (e->answer->content_type == "application/json") {
      const auto d = parse(e->answer->body);
      ASSERT_TRUE(d.IsObject() || e->answer->status == 200) << shown(body, 400);
      ASSERT_EQ(e->answer->status >= 400, d.IsObject() && d.HasMember("code"));
    }
    b.service.predicted.clear();
  }
}

// Bodies of the routes that the field's own clients ask: whatever they hold, the answer is one, and a failure is
// worded.
TEST(routes_fuzz, the_fields_own_routes) {
  const auto seed = number_of("ROUTES_FUZZ_SEED", std::random_device{}());
  const auto rounds = number_of("ROUTES_FUZZ_ROUNDS", 5000);
  SCOPED_TRACE("ROUTES_FUZZ_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto any_of = [&](const auto& all) { return all[static_cast<std::size_t>(random() % std::size(all))]; };
  const std::vector<std::string> paths{"/v1/embeddings", "/v1/rerank",  "/tei/embed",
                                       "/tei/embed_all", "/tei/rerank", "/tei/predict",
                                       "/tei/tokenize",  "/tei/decode", "/tei/similarity"};
  const std::vector<std::string> names{
      "input",     "inputs",     "query",           "documents",       "texts",       "ids",
      "model",     "dimensions", "top_n",           "truncate",        "prompt_name", "raw_scores",
      "normalize", "parameters", "encoding_format", "source_sentence", "sentences"};
  const std::vector<std::string> values{"1",
                                        "-1",
                                        "0",
                                        "1.5",
                                        "1e300",
                                        "null",
                                        "true",
                                        "\"a\"",
                                        "\"\"",
                                        "\"\\u0000\"",
                                        "\"alpha\"",
                                        "\"beta\"",
                                        "[]",
                                        "{}",
                                        "[\"a\"]",
                                        "[\"a\",\"b\"]",
                                        "[1,2]",
                                        "[[1,2],[3]]",
                                        "[[\"a\"],[\"b\",\"c\"]]",
                                        "[null]",
                                        "[{\"text\":\"a\"}]",
                                        "\"base64\"",
                                        "{\"source_sentence\":\"a\",\"sentences\":[\"b\"]}",
                                        "99999999999999999999"};
  bench b;
  b.service.on_predict = [](const auto& job, const actors::predict_request& request) {
    job->begin(fake_service::classifier_info());
    for (std::uint32_t i = 0; i < request.inputs.size(); ++i) {
      auto r = fake_service::classified(i);
      if (request.asked.task == inference::task::text_ranking) r.value = inference::single_score{0.5f};
      if (request.asked.task == inference::task::feature_extraction) r.value = inference::embedding{{1, 0}};
      if (request.asked.parameters.all_tokens) r.value = inference::token_embeddings{{1, 0}, 1};
      job->write(std::move(r));
    }
  };
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const auto path = any_of(paths);
    std::string body = "{";
    for (auto n = random() % 6; n > 0; --n) {
      body += (body.size() > 1 ? ",\"" : "\"") + any_of(names) + "\":" + any_of(values);
    }
    body += random() % 16 == 0 ? "" : "}";
    const auto e = b.send("POST", path, body);
    e->pump();
    ASSERT_EQ(e->answers, 1) << path << body;
    const auto d = parse(e->answer->body);
    ASSERT_FALSE(d.HasParseError()) << path << body;
    if (e->answer->status == 200) continue;
    ASSERT_GE(e->answer->status, 400u);
    ASSERT_LT(e->answer->status, 500u) << path << body << e->answer->body;
    ASSERT_TRUE(d.HasMember("error")) << path << body;
  }
}

}  // namespace
}  // namespace troupe::http::tests
