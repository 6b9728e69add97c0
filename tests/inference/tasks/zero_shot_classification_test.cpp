#include "inference/tasks/zero_shot.hpp"
#include "tests/inference/tasks/support.hpp"

namespace troupe::inference::tests {
namespace {

// id2label and label2id, as transformers writes both.
std::string config_of(const names& labels) {
  std::string by_number, by_name;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    by_number += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":\"" + labels[i] + '"';
    by_name += (i == 0 ? "\"" : ",\"") + labels[i] + "\":" + std::to_string(i);
  }
  return R"({"id2label": {)" + by_number + R"(}, "label2id": {)" + by_name + "}}";
}
head_kit nli(const std::string& config, std::int64_t logits) {
  head_kit kit;
  kit.config = parsed(config);
  kit.plan.logits = logits;
  kit.tokens->texts["the premise\nThis example is x."].ids = {1, 2, 3, 4};
  return kit;
}
head_kit nli(const names& labels) { return nli(config_of(labels), static_cast<std::int64_t>(labels.size())); }

std::vector<float> pair_of(const task_head& head, const std::vector<float>& logits) {
  return std::get<label_scores>(output_of(head, logits)).values;
}

TEST(zero_shot, applies_to_the_labels_of_inference) {
  const auto row = zero_shot_classification();
  EXPECT_TRUE(nli({"contradiction", "neutral", "entailment"}).applies(row));
  EXPECT_TRUE(nli({"ENTAILMENT", "neutral", "contradiction"}).applies(row));
  EXPECT_TRUE(nli({"not_entailment", "Entails"}).applies(row));
  EXPECT_FALSE(nli({"a", "b", "c"}).applies(row));
  EXPECT_FALSE(nli({"entailment", "b", "c", "d"}).applies(row));
  EXPECT_FALSE(nli({"entailment"}).applies(row));
  EXPECT_FALSE(nli({"not_entailment", "no"}).applies(row));
  EXPECT_FALSE(nli(R"({"id2label": {"7": "entailment"}})", 2).applies(row))
      << "broken names are for those who need them";
  EXPECT_TRUE(nli(R"({"id2label": {"0": "entailment", "1": "no"}})", 2).applies(row));
  EXPECT_FALSE(nli(R"({"num_labels": 3, "label2id": {"entailment": 0, "x": 1},
                       "id2label": {"0": "entailment", "1": "x"}})",
                   3)
                   .applies(row))
      << "names that num_labels drops";
  auto registered = nli({"a", "b", "c"});
  registered.spec.labels = {"x", "y", "entailed"};
  EXPECT_TRUE(registered.applies(row));
}

TEST(zero_shot, gives_contradiction_and_entailment) {
  const std::vector<float> logits{10, 20, 30};
  using floats = std::vector<float>;
  EXPECT_EQ(pair_of(*made(nli({"contradiction", "neutral", "entailment"}), zero_shot_classification()), logits),
            (floats{10, 30}));
  EXPECT_EQ(pair_of(*made(nli({"contradiction", "entailment", "neutral"}), zero_shot_classification()), logits),
            (floats{10, 20}));
  EXPECT_EQ(pair_of(*made(nli({"entailment", "neutral", "contradiction"}), zero_shot_classification()), logits),
            (floats{30, 10}));
  // As transformers: the first that label2id lists, whatever the numbers.
  EXPECT_EQ(
      pair_of(*made(nli(R"({"label2id": {"entail_b": 1, "entail_a": 0, "n": 2}})", 3), zero_shot_classification()),
              logits),
      (floats{10, 20}));
  const auto none = made(nli({"a", "b", "c"}), zero_shot_classification());
  EXPECT_EQ(pair_of(*none, logits), (floats{10, 30})) << "asked for by the registry: the last one";
  EXPECT_NE(none->notes().find("takes the last"), std::string::npos);
  EXPECT_NE(refusal(nli("{}", 1), zero_shot_classification()).find("two labels or more"), std::string::npos);
}

TEST(zero_shot, reads_a_premise_and_a_hypothesis_that_is_not_cut) {
  const auto kit = nli({"contradiction", "neutral", "entailment"});
  const auto head = made(kit, zero_shot_classification());
  EXPECT_EQ(head->wants(), network_output::logits);
  EXPECT_TRUE(head->labels().empty());
  const auto read = kit.read(*head, text_pair{"the premise", "This example is x."});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->rows.at(0).tokens.ids.size(), 4U);
  EXPECT_TRUE(kit.tokens->last_options.cut_first_only);
  EXPECT_NE(problem_of(kit.read(*head, std::string("a")), error_code::unprocessable).find("a text and a hypothesis"),
            std::string::npos);
  task_parameters given;
  given.top_k = 1;
  EXPECT_NE(problem_of(head->check(given), error_code::bad_request).find("'top_k'"), std::string::npos);
}

TEST(zero_shot, scores_are_those_of_transformers) {
  const auto json = reference("classification.json");
  for (const auto one : dom::array(json.root()["zero_shot"])) {
    const auto labels = strings_of(one["labels"]);
    const auto head = made(nli(labels), zero_shot_classification());
    std::vector<label_scores> items;
    for (const auto logits : dom::array(one["logits"]))
      items.push_back(std::get<label_scores>(output_of(*head, floats_of(logits))));
    expect_near(zero_shot_scores(items, bool(one["multi_label"])), floats_of(one["scores"]),
                labels[0] + ' ' + labels[1]);
  }
}

TEST(zero_shot, scores_do_not_overflow_and_need_no_number) {
  const std::vector<label_scores> large{{{0, 500}}, {{500, 0}}};
  EXPECT_EQ(zero_shot_scores(large, false), (std::vector<float>{1, 0}));
  EXPECT_EQ(zero_shot_scores(large, true), (std::vector<float>{1, 0}));
  EXPECT_TRUE(zero_shot_scores({}, false).empty());
  const std::vector<label_scores> spoiled{{{0, NAN}}, {{0, 0}}};
  EXPECT_TRUE(std::isnan(zero_shot_scores(spoiled, false)[1]));
  EXPECT_EQ(zero_shot_scores(spoiled, true)[1], 0.5F);
}

}  // namespace
}  // namespace troupe::inference::tests
