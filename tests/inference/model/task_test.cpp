#include "inference/model/task.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace troupe::inference {
namespace {

const std::vector<std::pair<task, std::string_view>> all{
    {task::text_classification, "text-classification"},
    {task::token_classification, "token-classification"},
    {task::feature_extraction, "feature-extraction"},
    {task::sentence_similarity, "sentence-similarity"},
    {task::text_ranking, "text-ranking"},
    {task::fill_mask, "fill-mask"},
    {task::zero_shot_classification, "zero-shot-classification"},
    {task::text_generation, "text-generation"},
    {task::image_classification, "image-classification"},
    {task::automatic_speech_recognition, "automatic-speech-recognition"},
    {task::punctuation_restoration, "punctuation-restoration"},
    {task::voice_activity_detection, "voice-activity-detection"},
    {task::text_to_speech, "text-to-speech"},
    {task::tensor, "tensor"}};

TEST(task, has_the_name_that_hugging_face_gives_it) {
  for (const auto& [what, name] : all) {
    EXPECT_EQ(to_string(what), name);
    EXPECT_EQ(parse_task(name), what);
  }
}

// The last of the enumeration is the last of the list above: none is left without a name.
TEST(task, every_one_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(task::tensor); ++i) names.insert(to_string(static_cast<task>(i)));
  EXPECT_EQ(names.size(), all.size());
  EXPECT_FALSE(names.contains("?"));
}

TEST(task, is_known_by_that_name_alone) {
  for (const char* other :
       {"", "?", "Text-Classification", "text_classification", "text-classification ", "sentiment-analysis"})
    EXPECT_EQ(parse_task(other), std::nullopt) << other;
}

TEST(task, a_question_that_says_nothing_leaves_all_to_the_model) {
  const question nothing;
  EXPECT_FALSE(nothing.task);
  EXPECT_TRUE(names_of(nothing.parameters).empty());
}

TEST(task_parameters, are_named_as_clients_name_them) {
  task_parameters given;
  given.top_k = 3;
  given.truncate_left = true;
  EXPECT_EQ(names_of(given), (std::vector<std::string_view>{"top_k", "truncation_direction"}));
}

TEST(task_parameters, have_values_by_their_names) {
  EXPECT_EQ(parse_score_function("softmax"), score_function::softmax);
  EXPECT_EQ(parse_score_function("Softmax"), std::nullopt);
  EXPECT_EQ(parse_aggregation("first"), aggregation::first);
  EXPECT_EQ(parse_aggregation(""), std::nullopt);
}

}  // namespace
}  // namespace troupe::inference
