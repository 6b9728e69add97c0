#include "inference/model/outputs.hpp"

#include <gtest/gtest.h>

namespace troupe::inference {
namespace {

TEST(outputs, numbers_take_what_they_take) {
  EXPECT_EQ(size_bytes(output{}), 0U);
  EXPECT_EQ(size_bytes(label_scores{{1, 2, 3}}), 12U);
  EXPECT_EQ(size_bytes(embedding{std::vector<float>(384)}), 384U * 4);
  EXPECT_EQ(size_bytes(single_score{1}), 0U) << "it is inside";
  EXPECT_EQ(size_bytes(transcript{"abcde", false, 0.5, {}}), 5U);
}

// A cache is bounded by these: whatever grows counts, each element with what it takes beside its text.
TEST(outputs, lists_take_what_their_elements_take) {
  const auto one_span = size_bytes(spans{{{"PER", "Ada", 0.5F, 0, 3}}});
  EXPECT_EQ(one_span, sizeof(text_span) + 6);
  EXPECT_EQ(size_bytes(spans{{{"PER", "Ada", 0.5F, 0, 3}, {"PER", "Ada", 0.5F, 9, 12}}}), 2 * one_span);
  EXPECT_EQ(size_bytes(spans{}), 0U);
  const mask_candidate candidate{7, 0.5F, "tok", "a tok"};
  const auto one_candidate = size_bytes(mask_candidates{{{candidate}}});
  EXPECT_EQ(one_candidate, sizeof(mask_candidate) + 8);
  EXPECT_EQ(size_bytes(mask_candidates{{{candidate, candidate}, {candidate}}}), 3 * one_candidate) << "of every mask";
  const tensor values{dtype::f32, {2, 2}, std::vector<std::byte>(16)};
  EXPECT_EQ(size_bytes(named_tensors{{{"logits", values}}}), sizeof(named_tensor) + 6 + 16 + 2 * 8);
  EXPECT_EQ(size_bytes(named_tensors{{{"", values}, {"", values}}}), 2 * (sizeof(named_tensor) + 16 + 2 * 8));
}

TEST(outputs, a_transcript_is_final_unless_it_says_so) {
  const transcript piece{.text = "a", .begin_s = {}, .end_s = {}};
  EXPECT_TRUE(piece.final);
  EXPECT_FALSE(piece.begin_s);
}

}  // namespace
}  // namespace troupe::inference
