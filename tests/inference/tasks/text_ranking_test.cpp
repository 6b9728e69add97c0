#include "inference/tasks/text_ranking.hpp"

#include "tests/inference/tasks/support.hpp"

namespace troupe::inference::tests {
namespace {

head_kit ranker(const fs::path& folder, std::int64_t logits = 1) {
  head_kit kit;
  kit.spec.path = folder;
  if (fs::exists(folder / "config.json")) kit.config = parsed(read_file(folder / "config.json"));
  kit.plan.logits = logits;
  return kit;
}
float score(const task_head& head, float logit, std::optional<bool> raw = {}) {
  task_parameters given;
  given.raw_scores = raw;
  return std::get<single_score>(output_of(head, {logit}, given)).value;
}

TEST(text_ranking, applies_to_one_label) {
  const scratch_folder folder;
  EXPECT_TRUE(ranker(folder.path()).applies(text_ranking()));
  EXPECT_FALSE(ranker(folder.path(), 2).applies(text_ranking()));
  EXPECT_NE(refusal(ranker(folder.path(), 2), text_ranking()).find("one label"), std::string::npos);
}

// Where a checkpoint names Identity, those are the raw ones here.
TEST(text_ranking, gives_the_scores_of_sentence_transformers) {
  const auto json = reference("rankings.json");
  for (const auto one : dom::array(json.root()["cases"])) {
    const auto name = string_of(one, "name");
    auto kit = ranker(task_fixtures() / "cross_encoder" / name);
    *kit.tokens = recorded_tokenizer(json.root()["tokenizer"], recorded_tokenizer::decoder::wordpiece);
    for (const auto pair : dom::array(one["pairs"])) {
      const auto texts = strings_of(pair);
      kit.tokens->texts[texts[0] + '\n' + texts[1]].ids = {1, 2};
    }
    const auto head = made(kit, text_ranking());
    EXPECT_EQ(head->wants(), network_output::logits);
    EXPECT_EQ(head->notes().empty(), name != "code") << head->notes();
    for (const auto pair : dom::array(one["asked"])) {
      const auto texts = strings_of(pair);
      const auto read = kit.read(*head, text_pair{texts[0], texts[1]});
      EXPECT_TRUE(read) << name << ": a prompt stands before the query: " << (read ? "" : read.error().message);
    }
    const auto logits = floats_of(one["logits"]), scores = floats_of(one["scores"]);
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const bool identity = scores[i] == logits[i];
      const auto wanted = identity ? 1 / (1 + std::exp(-logits[i])) : scores[i];
      EXPECT_TRUE(near(score(*head, logits[i]), wanted)) << name << ": " << score(*head, logits[i]);
      EXPECT_TRUE(near(score(*head, logits[i], false), wanted)) << name;
      EXPECT_EQ(score(*head, logits[i], true), logits[i]) << name;
    }
  }
}

TEST(text_ranking, takes_pairs_and_raw_scores_alone) {
  const scratch_folder folder;
  const auto kit = ranker(folder.path());
  const auto head = made(kit, text_ranking());
  EXPECT_NE(problem_of(kit.read(*head, std::string("a")), error_code::unprocessable).find("takes a query and a text"),
            std::string::npos);
  task_parameters given;
  given.function_to_apply = score_function::none;
  EXPECT_NE(problem_of(head->check(given), error_code::bad_request).find("it takes raw_scores"), std::string::npos);
  EXPECT_TRUE(std::isnan(score(*head, NAN)));
}

TEST(text_ranking, what_it_does_not_know_is_refused_by_name) {
  const auto refused = [](const std::string& config, const std::string& modules = {},
                          const std::string& settings = {}) {
    const scratch_folder folder;
    write_file(folder.path() / "config.json", config);
    if (!modules.empty()) write_file(folder.path() / "modules.json", modules);
    if (!settings.empty()) write_file(folder.path() / "config_sentence_transformers.json", settings);
    return refusal(ranker(folder.path()), text_ranking());
  };
  EXPECT_EQ(refused(R"({"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Softmax"}})"),
            "the activation 'torch.nn.modules.activation.Softmax' is not supported");
  EXPECT_NE(refused(R"({"sentence_transformers": {"activation_fn": 3}})")
                .find("'sentence_transformers.activation_fn' must be"),
            std::string::npos);
  const std::string first = R"({"type": "sentence_transformers.base.modules.transformer.Transformer", "path": ""})";
  const std::string type = R"({"model_type": "CrossEncoder"})";
  EXPECT_NE(
      refused("{}", '[' + first + R"(, {"type": "sentence_transformers.base.modules.dense.Dense", "path": "1"}])", type)
          .find("a CrossEncoder with a Dense is not supported"),
      std::string::npos);
  EXPECT_NE(refused("{}", "[]", type).find("must be a list of modules"), std::string::npos);
  EXPECT_NE(refused("{}", "{", type).find("modules.json"), std::string::npos);
  EXPECT_EQ(refused("{}", "[]", R"({"model_type": "SentenceTransformer"})"), "not refused") << "as one without modules";
}

}  // namespace
}  // namespace troupe::inference::tests
