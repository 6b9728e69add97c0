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
  EXPECT_NE(as([](auto& i) { i.version = "v1:4fp32", i.precision = ""; }), before) << "no two sets of parts read the same";
}

TEST(PredictionCache, WhateverIsAskedIsInItsKey) {
  using inference::input;
  const auto key = [](const input& in, const inference::question& asked = {}) {
    return prediction_cache::key("m", asked, in);
  };
  using parameters = inference::text_classification_parameters;
  const inference::question task{inference::task::text_classification, {}};
  const inference::question raw{{}, parameters{inference::score_function::none}};
  const inference::question own{{}, parameters{}};
  input named;
  named.values.push_back({"context", std::string("ab")});
  const std::vector<std::string> keys{key("ab"), key("ab", task), key("ab", raw), key("ab", own), key(named),
                                      key(inference::text_pair{"a", "b"}), key(inference::text_pair{"", "ab"}),
                                      key(inference::text_pair{"ab", ""}), key(inference::token_ids{{24929}})};
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), keys.size());
  EXPECT_EQ(key("ab", raw), key("ab", raw));
  EXPECT_EQ(key(inference::tensor{}), "") << "not kept";
}

TEST(PredictionCache, KeepsWhatWasUsedLastWithinItsBound) {
  prediction_cache kept(8 << 10);
  const auto key = [](int i) { return prediction_cache::key("m", {}, std::to_string(i)); };
  for (int i = 0; i < 200; ++i) {
    kept.put(key(i), inference::transcript{std::string(16, 'x'), true, {}, {}});
    EXPECT_TRUE(kept.get(key(i)));
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
