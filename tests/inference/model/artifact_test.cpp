#include "inference/model/artifact.hpp"

#include <gtest/gtest.h>

namespace troupe::inference {
namespace {

TEST(artifact, precisions_have_one_name_each) {
  for (const auto& [what, name] :
       {std::pair{precision::automatic, "auto"}, {precision::fp32, "fp32"}, {precision::bf16, "bf16"}}) {
    EXPECT_EQ(to_string(what), name);
    EXPECT_EQ(parse_precision(name), what);
  }
  for (const char* other : {"", "FP32", "float32", "fp16", "automatic"})
    EXPECT_EQ(parse_precision(other), std::nullopt) << other;
}

TEST(artifact, is_what_the_registry_says) {
  config::registered_model m;
  m.name = "m";
  m.path = "/models/m";
  m.task = "fill-mask";
  m.precision = "bf16";
  m.max_length = 128;
  m.labels = {"a", "b"};
  m.inputs = {{"x", dtype::i64, {-1, 3}}, {"y", dtype::f16, {}}};
  m.batching = false;
  const auto spec = spec_of(m);
  EXPECT_EQ(spec.name, "m");
  EXPECT_EQ(spec.path, "/models/m");
  EXPECT_EQ(spec.task, task::fill_mask);
  EXPECT_EQ(spec.wanted, precision::bf16);
  EXPECT_EQ(spec.max_length, 128U);
  EXPECT_EQ(spec.labels, m.labels);
  EXPECT_FALSE(spec.batching);
  ASSERT_EQ(spec.inputs.size(), 2U);
  EXPECT_EQ(spec.inputs[0].name, "x");
  EXPECT_EQ(spec.inputs[0].type, dtype::i64);
  EXPECT_EQ(spec.inputs[0].shape, (std::vector<std::int64_t>{-1, 3}));
  EXPECT_EQ(spec.inputs[1].type, dtype::f16);
}

TEST(artifact, what_the_registry_leaves_out_is_open) {
  config::registered_model m;
  auto spec = spec_of(m);
  EXPECT_FALSE(spec.task);
  EXPECT_EQ(spec.wanted, precision::automatic);
  EXPECT_TRUE(spec.batching);
  m.task = "what no table has";
  EXPECT_FALSE(spec_of(m).task) << "a word of the operator's own, told in reports";
}

}  // namespace
}  // namespace troupe::inference
