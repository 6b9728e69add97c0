#include "http/api/write_output.hpp"

#include <cstring>

#include <gtest/gtest.h>

namespace troupe::http {
namespace {

using namespace inference;

const std::vector<std::string> two_labels{"no", "yes"};

std::string written(const output& out, const std::vector<std::string>& labels = two_labels,
                    const output_style& style = {}) {
  json_out json;
  json.object();
  write_output(json, labels, out, style);
  return json.end_object().str();
}

template <class T>
tensor tensor_of(dtype type, std::vector<std::int64_t> shape, const std::vector<T>& values) {
  tensor t{type, std::move(shape), std::vector<std::byte>(values.size() * sizeof(T))};
  std::memcpy(t.data.data(), values.data(), t.data.size());
  return t;
}

TEST(write_output, nothing_is_written_of_nothing) { EXPECT_EQ(written({}), "{}"); }

TEST(write_output, the_best_label_and_the_scores_of_all) {
  EXPECT_EQ(written(label_scores{{0.25F, 0.75F}}),
            R"({"prediction":"yes","confidence":0.75,"probabilities":{"no":0.25,"yes":0.75}})");
  EXPECT_EQ(written(label_scores{{0.5F, 0.5F}}),
            R"({"prediction":"no","confidence":0.5,"probabilities":{"no":0.5,"yes":0.5}})")
      << "the first of equal ones";
  EXPECT_EQ(written(label_scores{{-2, -0.5F}}),
            R"({"prediction":"yes","confidence":-0.5,"probabilities":{"no":-2.0,"yes":-0.5}})")
      << "logits are scores too";
}

TEST(write_output, labels_that_are_missing_are_numbered) {
  EXPECT_EQ(written(label_scores{{0.25F, 0.5F}}, {"no"}),
            R"({"prediction":"LABEL_1","confidence":0.5,"probabilities":{"no":0.25,"LABEL_1":0.5}})");
  EXPECT_EQ(written(label_scores{}), R"({"prediction":null,"confidence":null,"probabilities":{}})");
}

TEST(write_output, the_best_of_many_labels) {
  EXPECT_EQ(written(label_scores{{0.25F, 0.5F, 0.125F}}, {"a", "b", "c"}, {2, false, {}}),
            R"({"prediction":"b","confidence":0.5,"probabilities":{"a":0.25,"b":0.5}})");
}

TEST(write_output, a_score) { EXPECT_EQ(written(single_score{0.125F}), R"({"score":0.125})"); }

TEST(write_output, an_embedding) {
  EXPECT_EQ(written(embedding{{1, -0.5F, 0.1F}}), R"({"embedding":[1.0,-0.5,0.1]})");
  EXPECT_EQ(written(embedding{}), R"({"embedding":[]})");
}

TEST(write_output, vectors_in_base64) {
  EXPECT_EQ(written(embedding{{1}}, {}, {{}, true, {}}), R"({"embedding":"AACAPw=="})");
  EXPECT_EQ(written(token_embeddings{{1, 1}, 1}, {}, {{}, true, {}}), R"({"embeddings":["AACAPw==","AACAPw=="]})");
}

TEST(write_output, a_vector_a_token) {
  EXPECT_EQ(written(token_embeddings{{1, 2, 3, 4}, 2}), R"({"embeddings":[[1.0,2.0],[3.0,4.0]]})");
  EXPECT_EQ(written(token_embeddings{}), R"({"embeddings":[]})");
}

TEST(write_output, tokens_are_entities_by_their_place) {
  EXPECT_EQ(written(spans{{{"B-PER", "Ada", 0.5F, 0, 3, 1}}, true}),
            R"({"entities":[{"entity":"B-PER","score":0.5,"index":1,"word":"Ada","start":0,"end":3}]})");
}

TEST(write_output, spans_are_entities) {
  EXPECT_EQ(written(spans{{{"PER", "Ada", 0.5F, 0, 3, 0}, {"LOC", "Turin \"T\"", 0.25F, 10, 15, 0}}, false}),
            R"({"entities":[{"entity_group":"PER","score":0.5,"word":"Ada","start":0,"end":3},)"
            R"({"entity_group":"LOC","score":0.25,"word":"Turin \"T\"","start":10,"end":15}]})");
  EXPECT_EQ(written(spans{}), R"({"entities":[]})");
}

TEST(write_output, the_candidates_of_the_only_mask_are_a_list) {
  EXPECT_EQ(written(mask_candidates{{{{7, 0.5F, "cat", "a cat"}, {-1, 0.25F, "dog", "a dog"}}}}),
            R"({"predictions":[{"sequence":"a cat","score":0.5,"token":7,"token_str":"cat"},)"
            R"({"sequence":"a dog","score":0.25,"token":-1,"token_str":"dog"}]})");
}

TEST(write_output, those_of_several_masks_are_lists_in_a_list) {
  EXPECT_EQ(written(mask_candidates{{{{7, 0.5F, "a", "a [MASK]"}}, {{8, 0.25F, "b", "[MASK] b"}}}}),
            R"({"predictions":[[{"sequence":"a [MASK]","score":0.5,"token":7,"token_str":"a"}],)"
            R"([{"sequence":"[MASK] b","score":0.25,"token":8,"token_str":"b"}]]})");
  EXPECT_EQ(written(mask_candidates{}), R"({"predictions":[]})");
}

TEST(write_output, the_only_tensor_without_a_name_stands_for_itself) {
  EXPECT_EQ(written(named_tensors{{{"", tensor_of<float>(dtype::f32, {2, 2}, {1, 2.5F, 3, -4})}}}),
            R"({"outputs":[[1.0,2.5],[3.0,-4.0]],"shape":[2,2],"datatype":"float32"})");
  EXPECT_EQ(written(named_tensors{{{"", tensor_of<std::int64_t>(dtype::i64, {}, {7})}}}),
            R"({"outputs":7,"shape":[],"datatype":"int64"})");
  EXPECT_EQ(written(named_tensors{{{"", tensor_of<std::uint16_t>(dtype::bf16, {3}, {0x3f80, 0x7f80, 0x7fc0})}}}),
            R"({"outputs":[1.0,null,null],"shape":[3],"datatype":"bfloat16"})");
  EXPECT_EQ(written(named_tensors{{{"", tensor_of<std::uint16_t>(dtype::f16, {3}, {0x3c00, 0x8001, 0xfc00})}}}),
            R"({"outputs":[1.0,-5.9604645e-08,null],"shape":[3],"datatype":"float16"})");
}

TEST(write_output, named_tensors_are_told_by_their_names) {
  const auto x = tensor_of<float>(dtype::f32, {1}, {1});
  EXPECT_EQ(written(named_tensors{{{"logits", x}}}),
            R"({"outputs":{"logits":{"data":[1.0],"shape":[1],"datatype":"float32"}}})");
  EXPECT_EQ(written(named_tensors{{{"a", x}, {"b", tensor_of<std::int8_t>(dtype::i8, {2}, {1, -1})}}}),
            R"({"outputs":{"a":{"data":[1.0],"shape":[1],"datatype":"float32"},)"
            R"("b":{"data":[1,-1],"shape":[2],"datatype":"int8"}}})");
  EXPECT_EQ(written(named_tensors{}), R"({"outputs":{}})");
}

TEST(write_output, voice_activity_is_segments) {
  EXPECT_EQ(written(voice_activity{{{0.25, 1.5}, {2, 3}}, true, 4, 4}),
            R"({"segments":[{"start":0.25,"end":1.5},{"start":2.0,"end":3.0}]})");
  EXPECT_EQ(written(voice_activity{}), R"({"segments":[]})");
}

TEST(write_output, a_transcript_is_its_text) {
  EXPECT_EQ(written(transcript{"a piece", false, 0.5, 1.5}), R"({"output":"a piece"})");
}

}  // namespace
}  // namespace troupe::http
