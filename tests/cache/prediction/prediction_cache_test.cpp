#include "cache/prediction/prediction_cache.hpp"

#include <gtest/gtest.h>

namespace troupe::cache {
namespace {

inference::model_info info() {
  inference::model_info i;
  i.version = "v1";
  i.precision = "fp32";
  i.task = "text-classification";
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
  EXPECT_NE(as([](auto& i) { i.task = "feature-extraction"; }), before);
  EXPECT_NE(as([](auto& i) { i.device = "cuda:0"; }), before);
  EXPECT_NE(as([](auto& i) { i.labels = {"b", "a"}; }), before);
  EXPECT_NE(as([](auto& i) { i.labels = {"ab"}; }), before);
  EXPECT_NE(as([](auto& i) { i.version = "v1:4fp32", i.precision = ""; }), before) << "no two sets of parts read the same";
}

TEST(PredictionCache, KeepsWhatWasUsedLastWithinItsBound) {
  prediction_cache kept(8 << 10);
  const auto key = [](int i) { return prediction_cache::key("m", std::to_string(i)); };
  for (int i = 0; i < 200; ++i) {
    kept.put(key(i), std::string(16, 'x'));
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
