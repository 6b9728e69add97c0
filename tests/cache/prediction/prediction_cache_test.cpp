#include "cache/prediction/prediction_cache.hpp"

#include <gtest/gtest.h>

#include <set>

namespace troupe::cache {
namespace {

inference::model_info info() {
  inference::model_info i;
  i.version = "v1";
  i.precision = "fp32";
  i.tasks = {inference::task::text_classification};
  i.max_length = 512;
  i.labels = {"a", "b"};
  return i;
}

std::string as(void (*change)(inference::model_info&)) {
  auto i = info();
  change(i);
  return prediction_cache::answers_as("m", i);
}

TEST(PredictionCache, WhateverDecidesAnAnswerIsInItsKey) {
  const auto before = prediction_cache::answers_as("m", info());
  EXPECT_EQ(prediction_cache::answers_as("m", info()), before);
  EXPECT_NE(prediction_cache::answers_as("n", info()), before);
  EXPECT_NE(as([](auto& i) { i.version = "v2"; }), before);
  EXPECT_NE(as([](auto& i) { i.precision = "bf16"; }), before);
  EXPECT_NE(as([](auto& i) { i.max_length = 8; }), before);
  EXPECT_NE(as([](auto& i) { i.tasks = {inference::task::feature_extraction}; }), before);
  EXPECT_NE(as([](auto& i) { i.device = "cuda:0"; }), before);
  EXPECT_NE(as([](auto& i) { i.labels = {"b", "a"}; }), before);
  EXPECT_NE(as([](auto& i) { i.labels = {"ab"}; }), before);
  EXPECT_NE(as([](auto& i) { i.version = "v1:4fp32", i.precision = ""; }), before)
      << "no two sets of parts read the same";
}

TEST(PredictionCache, WhateverIsAskedIsInItsKey) {
  using inference::input;
  const auto key = [](const input& in, const inference::question& asked = {}) {
    return prediction_cache::key("m", asked, in);
  };
  using parameters = inference::task_parameters;
  const inference::question task{inference::task::text_classification, {}};
  const auto with = [&](void (*set)(parameters&)) {
    inference::question asked;
    set(asked.parameters);
    return key("ab", asked);
  };
  input named;
  named.values.push_back({"context", std::string("ab")});
  using inference::aggregation;
  using inference::score_function;
  const std::vector<std::string> keys{key("ab"),
                                      key("ab", task),
                                      key(named),
                                      key(inference::text_pair{"a", "b"}),
                                      key(inference::text_pair{"", "ab"}),
                                      key(inference::text_pair{"ab", ""}),
                                      key(inference::token_ids{{24929}}),
                                      with([](auto& p) { p.function_to_apply = score_function::none; }),
                                      with([](auto& p) { p.function_to_apply = score_function::softmax; }),
                                      with([](auto& p) { p.top_k = 1; }),
                                      with([](auto& p) { p.top_k = 11; }),
                                      with([](auto& p) { p.targets = std::vector<std::string>{}; }),
                                      with([](auto& p) {
                                        p.targets = std::vector<std::string>{"a", "b"};
                                      }),
                                      with([](auto& p) { p.targets = std::vector<std::string>{"ab"}; }),
                                      with([](auto& p) { p.aggregation_strategy = aggregation::none; }),
                                      with([](auto& p) { p.aggregation_strategy = aggregation::max; }),
                                      with([](auto& p) { p.ignore_labels = std::vector<std::string>{}; }),
                                      with([](auto& p) { p.ignore_labels = std::vector<std::string>{"O"}; }),
                                      with([](auto& p) { p.stride = 1; }),
                                      with([](auto& p) { p.normalize = false; }),
                                      with([](auto& p) { p.normalize = true; }),
                                      with([](auto& p) { p.prompt_name = ""; }),
                                      with([](auto& p) { p.prompt_name = "query"; }),
                                      with([](auto& p) { p.dimensions = 1; }),
                                      with([](auto& p) { p.all_tokens = true; }),
                                      with([](auto& p) { p.raw_scores = true; }),
                                      with([](auto& p) { p.truncate = true; }),
                                      with([](auto& p) { p.truncate_left = true; })};
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), keys.size());
  EXPECT_EQ(with([](auto& p) { p.top_k = 1; }), with([](auto& p) { p.top_k = 1; }));
  EXPECT_EQ(key(inference::tensor{}), "") << "not kept";
}

TEST(PredictionCache, KeepsWhatWasUsedLastWithinItsBound) {
  prediction_cache kept(8 << 10);
  const auto key = [](int i) { return prediction_cache::key("m", {}, std::to_string(i)); };
  for (int i = 0; i < 200; ++i) {
    kept.put(key(i), {inference::transcript{std::string(16, 'x'), true, {}, {}}, 7});
    EXPECT_EQ(kept.get(key(i)).value().tokens, 7u);
    EXPECT_LE(kept.size_bytes(), 8u << 10);
  }
  EXPECT_FALSE(kept.get(key(0)));
  EXPECT_GT(kept.entries(), 20u);
  kept.set_capacity(0);
  EXPECT_EQ(kept.entries(), 0u);
  EXPECT_FALSE(kept.enabled());
}

}  // namespace
}  // namespace troupe::cache
