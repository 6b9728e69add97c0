#include "inference/tasks/text_classification.hpp"

#include "inference/tasks/scores.hpp"
#include "tests/inference/tasks/support.hpp"

namespace troupe::inference::tests {
namespace {

head_kit classifier(std::int64_t logits, const std::string& config = "{}") {
  head_kit kit;
  kit.config = parsed(config);
  kit.plan.logits = logits;
  kit.tokens->texts["a"].ids = {1, 2, 3};
  kit.tokens->texts["a\nb"].ids = {1, 2, 3, 4};
  return kit;
}
std::vector<float> scores(const task_head& head, const std::vector<float>& logits,
                          const task_parameters& parameters = {}) {
  return std::get<label_scores>(output_of(head, logits, parameters)).values;
}

TEST(text_classification, is_a_row_of_the_table) {
  const auto row = text_classification();
  EXPECT_EQ(row.what, task::text_classification);
  EXPECT_EQ(row.applies, nullptr);
  const auto head = made(classifier(2), row);
  EXPECT_EQ(head->wants(), network_output::logits);
  EXPECT_EQ(head->labels(), (names{"LABEL_0", "LABEL_1"}));
  EXPECT_EQ(head->memory_bytes(), 0U);
}

TEST(text_classification, takes_its_own_parameters) {
  const auto head = made(classifier(2), text_classification());
  task_parameters given;
  EXPECT_TRUE(head->check(given));
  given.top_k = 1;
  given.function_to_apply = score_function::sigmoid;
  EXPECT_TRUE(head->check(given));
  given.top_k = 0;
  EXPECT_EQ(problem_of(head->check(given), error_code::bad_request), "'top_k' must be at least 1");
  given.top_k.reset();
  given.stride = 1;
  EXPECT_NE(problem_of(head->check(given), error_code::bad_request).find("'stride' is not a parameter"),
            std::string::npos);
}

TEST(text_classification, reads_texts_pairs_and_token_ids) {
  const auto kit = classifier(2);
  const auto head = made(kit, text_classification());
  const auto rows = [&](const input& in) {
    const auto read = kit.read(*head, in);
    EXPECT_TRUE(read) << (read ? "" : read.error().message);
    return read ? read->rows.at(0).tokens.ids.size() : 0;
  };
  EXPECT_EQ(rows(std::string("a")), 3U);
  EXPECT_EQ(rows(text_pair{"a", "b"}), 4U);
  EXPECT_EQ(rows(token_ids{{5, 6}}), 2U);
  EXPECT_NE(problem_of(kit.read(*head, media{}), error_code::unprocessable).find("takes a text"), std::string::npos);
}

TEST(text_classification, labels_must_be_told_apart) {
  EXPECT_EQ(refusal(classifier(2, R"({"id2label": {"0": "same", "1": "same"}})"), text_classification()),
            "two labels are named 'same'");
}

TEST(text_classification, problem_types_that_are_not_known_are_refused) {
  EXPECT_NE(refusal(classifier(2, R"({"problem_type": "ordinal"})"), text_classification())
                .find("'ordinal', which is not supported"),
            std::string::npos);
  EXPECT_NE(
      refusal(classifier(2, R"({"problem_type": 3})"), text_classification()).find("'problem_type' must be a string"),
      std::string::npos);
}

TEST(text_classification, gives_the_scores_of_transformers) {
  const auto json = reference("classification.json");
  for (const auto one : dom::array(json.root()["text"])) {
    const auto logits = floats_of(one["logits"]);
    std::string config = "{}";
    if (const auto type = text_of(one, "problem_type"); !type.empty()) config = R"({"problem_type": ")" + type + "\"}";
    const auto head = made(classifier(static_cast<std::int64_t>(logits.size()), config), text_classification());
    task_parameters given;
    given.function_to_apply = parse_score_function(text_of(one, "function"));
    expect_near(scores(*head, logits, given), floats_of(one["scores"]), config + text_of(one, "function"));
  }
}

TEST(text_classification, a_logit_that_is_no_number_gives_scores_that_are_none) {
  const auto head = made(classifier(3), text_classification());
  for (const float score : scores(*head, {1, NAN, 2})) EXPECT_TRUE(std::isnan(score));
}

}  // namespace
}  // namespace troupe::inference::tests
