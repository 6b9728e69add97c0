#include "inference/tasks/text_classification.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace troupe::inference {
namespace {

using head_ptr = std::unique_ptr<const task_head>;
using names = std::vector<std::string>;

// Of a classifier with `logits` rows.
result<head_ptr> make(const std::string& config, std::int64_t logits, const names& registered = {}) {
  const auto json = model_json::parse(config, "config.json");
  if (!json) return tl::unexpected(json.error());
  artifact_spec spec;
  spec.labels = registered;
  weight_plan plan;
  plan.logits = logits;
  return text_classification().make(*json, spec, plan);
}
names labels(const std::string& config, std::int64_t logits, const names& registered = {}) {
  const auto head = make(config, logits, registered);
  return head ? (*head)->labels() : names{"refused: " + head.error().message};
}
error refusal(const std::string& config, std::int64_t logits, const names& registered = {}) {
  const auto head = make(config, logits, registered);
  EXPECT_FALSE(head) << config;
  auto problem = head ? error{} : head.error();
  EXPECT_TRUE(head || problem.code == error_code::unprocessable) << problem.message;
  return problem;
}

std::vector<float> scores(const task_head& head, const std::vector<float>& logits,
                          const task_parameters& parameters = {}) {
  return std::get<label_scores>(head.make(logits, static_cast<std::int64_t>(logits.size()), parameters)).values;
}
std::vector<float> applied(score_function function, std::vector<float> values) {
  apply_score_function(function, values);
  return values;
}

TEST(text_classification, is_a_row_of_the_table) {
  const auto row = text_classification();
  EXPECT_EQ(row.what, task::text_classification);
  const auto head = make("{}", 2);
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_EQ((*head)->wants(), network_output::logits);
  EXPECT_TRUE((*head)->takes({}));
  EXPECT_TRUE((*head)->takes(text_classification_parameters{score_function::sigmoid}));
}

TEST(text_classification, labels_are_in_the_order_of_their_numbers) {
  EXPECT_EQ(labels(R"({"id2label": {"2": "c", "0": "a", "1": "b"}})", 3), (names{"a", "b", "c"}));
  EXPECT_EQ(labels(R"({"id2label": {"10": "k", "9": "j", "0": "a", "1": "b", "2": "c", "3": "d", "4": "e", "5": "f",
                       "6": "g", "7": "h", "8": "i"}})",
                   11)
                .back(),
            "k");
  EXPECT_EQ(labels(R"({"label2id": {"yes": 1, "no": 0}})", 2), (names{"no", "yes"}));
  EXPECT_EQ(labels(R"({"id2label": {"0": "a", "1": "b"}, "label2id": {"x": 0, "y": 1}})", 2), (names{"a", "b"}));
  EXPECT_EQ(labels("{}", 3), (names{"LABEL_0", "LABEL_1", "LABEL_2"}));
  EXPECT_EQ(labels(R"({"id2label": null})", 1), (names{"LABEL_0"}));
}

TEST(text_classification, a_label_is_what_python_would_write) {
  EXPECT_EQ(labels(R"({"id2label": {"0": 1.50, "1": true, "2": null, "3": 100000000000000000000000}})", 4),
            (names{"1.50", "True", "None", "100000000000000000000000"}));
  const auto problem = refusal(R"({"id2label": {"0": ["a"]}})", 1);
  EXPECT_NE(problem.message.find("config.json:1:20: 'id2label.0'"), std::string::npos) << problem.message;
}

TEST(text_classification, the_registry_s_labels_win) {
  EXPECT_EQ(labels(R"({"id2label": {"0": "a", "1": "b"}})", 2, {"x", "y"}), (names{"x", "y"}));
  EXPECT_EQ(labels(R"({"id2label": {"7": "a"}})", 2, {"x", "y"}), (names{"x", "y"})) << "what is wrong is not needed";
  EXPECT_EQ(refusal(R"({"id2label": {"0": "a", "1": "b"}})", 2, {"x"}).message,
            "'labels' in the registry names 1 labels, the classifier has 2");
}

TEST(text_classification, labels_that_do_not_fit_are_refused_with_their_place) {
  const auto few = refusal("{\n  \"id2label\": {\"0\": \"a\"}}", 2);
  EXPECT_EQ(few.message.substr(0, 18), "config.json:2:15: ") << few.message;
  EXPECT_NE(few.message.find("'id2label' names 1 labels, the classifier has 2"), std::string::npos) << few.message;
  EXPECT_NE(refusal(R"({"label2id": {"a": 0}})", 2).message.find("'label2id' names 1"), std::string::npos);
  EXPECT_NE(refusal(R"({"id2label": {"0": "a", "2": "b"}})", 2).message.find("1 has no name"), std::string::npos);
  EXPECT_NE(refusal(R"({"id2label": {"x": "a"}})", 1).message.find("no label number"), std::string::npos);
  EXPECT_NE(refusal(R"({"id2label": ["a"]})", 1).message.find("an object"), std::string::npos);
  EXPECT_NE(refusal(R"({"label2id": {"a": "b"}})", 1).message.find("a label number"), std::string::npos);
  EXPECT_NE(refusal(R"({"id2label": {"0": "same", "1": "same"}})", 2).message.find("two labels are named 'same'"),
            std::string::npos);
  EXPECT_NE(refusal("{}", 2, {"x", "x"}).message.find("two labels are named 'x'"), std::string::npos);
}

TEST(text_classification, a_num_labels_that_differs_from_the_names_wins) {
  const auto head = make(R"({"num_labels": 3, "id2label": {"0": "a", "1": "b"}})", 3);
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_EQ((*head)->labels(), (names{"LABEL_0", "LABEL_1", "LABEL_2"}));
  EXPECT_NE((*head)->notes().find("num_labels is 3"), std::string::npos) << (*head)->notes();
  const auto same = make(R"({"num_labels": 2, "id2label": {"0": "a", "1": "b"}})", 2);
  EXPECT_EQ((*same)->labels(), (names{"a", "b"}));
  EXPECT_EQ((*same)->notes(), "");
  EXPECT_NE(refusal(R"({"num_labels": 0, "id2label": {"0": "a"}})", 1).message.find("'num_labels' must be"),
            std::string::npos);
}

TEST(text_classification, problem_type_says_what_makes_scores) {
  const std::vector<float> logits{1, 2};
  const auto by = [&](const std::string& config) {
    const auto head = make(config, 2);
    EXPECT_TRUE(head) << config;
    return scores(**head, logits);
  };
  const auto softmax = applied(score_function::softmax, logits), sigmoid = applied(score_function::sigmoid, logits);
  EXPECT_NE(softmax, sigmoid);
  EXPECT_EQ(by("{}"), softmax);
  EXPECT_EQ(by(R"({"problem_type": null})"), softmax);
  EXPECT_EQ(by(R"({"problem_type": "single_label_classification"})"), softmax);
  EXPECT_EQ(by(R"({"problem_type": "multi_label_classification"})"), sigmoid);
  EXPECT_EQ(by(R"({"problem_type": "regression"})"), logits);
  EXPECT_NE(refusal(R"({"problem_type": "ordinal"})", 2).message.find("'ordinal', which is not supported"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"problem_type": 3})", 2).message.find("'problem_type' must be a string"), std::string::npos);
}

TEST(text_classification, a_request_may_ask_for_another_function) {
  const auto head = make(R"({"problem_type": "multi_label_classification"})", 3);
  ASSERT_TRUE(head);
  const std::vector<float> logits{1, -1, 0.5F};
  for (const auto function : {score_function::none, score_function::sigmoid, score_function::softmax})
    EXPECT_EQ(scores(**head, logits, text_classification_parameters{function}), applied(function, logits));
  EXPECT_EQ(scores(**head, logits, text_classification_parameters{}), applied(score_function::sigmoid, logits))
      << "what is not set follows the checkpoint";
}

TEST(score_functions, are_what_they_are_called) {
  const std::vector<float> logits{0.5F, -2, 3};
  EXPECT_EQ(applied(score_function::none, logits), logits);
  const auto each = applied(score_function::sigmoid, logits), all = applied(score_function::softmax, logits);
  double sum = 0;
  for (const double l : logits) sum += std::exp(l);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    EXPECT_NEAR(each[i], 1 / (1 + std::exp(-static_cast<double>(logits[i]))), 1e-6);
    EXPECT_NEAR(all[i], std::exp(static_cast<double>(logits[i])) / sum, 1e-6);
  }
  EXPECT_NEAR(std::accumulate(all.begin(), all.end(), 0.0), 1, 1e-6);
}

// As transformers' pipeline: softmax of one number would be 1 whatever the text.
TEST(score_functions, softmax_of_one_logit_is_its_sigmoid) {
  for (const float logit : {-3.0F, 0.0F, 0.7F}) {
    EXPECT_EQ(applied(score_function::softmax, {logit}), applied(score_function::sigmoid, {logit}));
    EXPECT_EQ(applied(score_function::none, {logit}), std::vector<float>{logit});
  }
  EXPECT_EQ(applied(score_function::sigmoid, {0}), std::vector<float>{0.5F});
}

TEST(score_functions, large_logits_do_not_overflow) {
  EXPECT_EQ(applied(score_function::softmax, {1000, 0, -1000}), (std::vector<float>{1, 0, 0}));
  EXPECT_EQ(applied(score_function::softmax, {-1000, -1000}), (std::vector<float>{0.5F, 0.5F}));
  EXPECT_EQ(applied(score_function::softmax, {3e38F, 3e38F, -3e38F}), (std::vector<float>{0.5F, 0.5F, 0}));
  EXPECT_EQ(applied(score_function::sigmoid, {1000, -1000}), (std::vector<float>{1, 0}));
  EXPECT_EQ(applied(score_function::softmax, {-1000}), std::vector<float>{0});
}

TEST(score_functions, of_nothing_give_nothing) {
  for (const auto function : {score_function::none, score_function::sigmoid, score_function::softmax})
    EXPECT_TRUE(applied(function, {}).empty());
}

}  // namespace
}  // namespace troupe::inference
