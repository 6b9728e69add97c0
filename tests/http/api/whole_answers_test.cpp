#include "http/api/whole_answers.hpp"

#include <gtest/gtest.h>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

using inference::task;

struct whole_answers : ::testing::Test {
  fake_service service;
  void say(const std::string& model, const std::string& what, bool enabled = true) {
    auto m = std::make_shared<config::registered_model>();
    m->name = model;
    m->task = what;
    m->enabled = enabled;
    service.models[model] = std::move(m);
  }
};

TEST_F(whole_answers, the_servers_default_where_it_does_that) {
  EXPECT_EQ(default_for(service, task::text_classification), "alpha");
  service.default_name = "org/gamma";
  EXPECT_EQ(default_for(service, task::text_classification), "org/gamma");
}

TEST_F(whole_answers, else_the_first_by_name_that_does) {
  say("zeta", "feature-extraction");
  say("eta", "sentence-similarity");
  say("delta", "feature-extraction", false);
  EXPECT_EQ(default_for(service, task::feature_extraction), "eta") << "vectors by either name; not what is disabled";
  EXPECT_EQ(default_for(service, task::text_ranking), "alpha") << "nobody does: it says what it does";
  service.models.clear();
  service.default_name.clear();
  EXPECT_EQ(default_for(service, task::text_ranking), "");
}

TEST_F(whole_answers, a_default_that_is_not_known_waits_for_those_that_are) {
  say("alpha", "");
  EXPECT_EQ(default_for(service, task::feature_extraction), "alpha");
  say("eta", "feature-extraction");
  EXPECT_EQ(default_for(service, task::feature_extraction), "eta");
}

TEST_F(whole_answers, a_name_that_is_given) {
  EXPECT_EQ(choose_model(service, "beta", task::feature_extraction), "beta");
  EXPECT_EQ(choose_model(service, "", std::nullopt), "alpha");
  EXPECT_EQ(choose_model(service, "a b", std::nullopt).error().code, error_code::bad_request);
  const auto unknown = choose_model(service, "alpa", std::nullopt).error();
  EXPECT_EQ(unknown.code, error_code::model_not_found);
  EXPECT_NE(unknown.detail.find("alpha"), std::string::npos);
  service.default_name = "gone";
  EXPECT_EQ(choose_model(service, std::nullopt, std::nullopt).error().message,
            "No model was named, and the default model gone is not registered");
  service.default_name.clear();
  EXPECT_EQ(choose_model(service, std::nullopt, std::nullopt).error().code, error_code::bad_request);
}

TEST_F(whole_answers, a_query_is_not_copied_beyond_measure) {
  config::settings settings;
  settings.max_body_bytes = 100;
  fake_exchange exchange;
  exchange.body_ = "{}";
  request_fields fields(exchange, settings);
  EXPECT_EQ(query_pairs(fields, std::string(25, 'q'), {"a", "b", "c", "d"}).size(), 4u);
  EXPECT_FALSE(fields.problem());
  EXPECT_EQ(query_pairs(fields, std::string(26, 'q'), {"a", "b", "c", "d"}).size(), 0u);
  EXPECT_EQ(fields.problem()->why.code, error_code::payload_too_large);
  EXPECT_EQ(fields.problem()->field, "query");
}

TEST_F(whole_answers, rankings) {
  collected all;
  for (const float score : {0.2f, 0.9f, 0.5f}) {
    all.answers.emplace_back().outputs.push_back(inference::single_score{score});
  }
  const auto best = ranking_of(all, 2);
  ASSERT_EQ(best.size(), 2u);
  EXPECT_EQ(best[0].index, 1u);
  EXPECT_EQ(best[0].score, 0.9f);
  EXPECT_EQ(best[1].index, 2u);
  EXPECT_EQ(ranking_of(all).size(), 3u);
  all.answers[0].outputs[0] = inference::embedding{};
  EXPECT_THROW(ranking_of(all), std::runtime_error);
}

}  // namespace
}  // namespace troupe::http::tests
