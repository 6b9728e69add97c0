#include "inference/tasks/feature_extraction.hpp"

#include "inference/tasks/sentence_modules.hpp"
#include "tests/inference/tasks/support.hpp"

namespace troupe::inference::tests {
namespace {

head_kit embedder(const fs::path& folder, std::int64_t hidden = 8) {
  head_kit kit;
  kit.spec.path = folder;
  kit.shape.hidden_size = hidden;
  return kit;
}

// The lines that a network gives of `all`, of which the item may want only some.
std::vector<float> picked(const prepared_text& in, const std::vector<float>& all, std::size_t width) {
  const auto& picks = in.rows.at(0).picks;
  if (picks.empty()) return all;
  std::vector<float> out;
  for (const auto token : picks)
    out.insert(out.end(), all.begin() + static_cast<std::ptrdiff_t>(token * width),
               all.begin() + static_cast<std::ptrdiff_t>((token + 1) * width));
  return out;
}
output output_of(const head_kit& kit, const task_head& head, const input& in, const task_parameters& given,
                 const std::vector<float>& lines) {
  const auto read = kit.read(head, in, given);
  if (!read) throw std::runtime_error(read.error().message);
  const auto width = kit.shape.hidden_size;
  const auto wanted = picked(*read, lines, static_cast<std::size_t>(width));
  return head.make(*read, {{wanted}, width});
}
std::vector<float> vector_of(const head_kit& kit, const task_head& head, const input& in, const task_parameters& given,
                             const std::vector<float>& lines) {
  return std::get<embedding>(output_of(kit, head, in, given, lines)).values;
}

TEST(feature_extraction, gives_the_vectors_of_sentence_transformers) {
  const auto json = reference("sentences.json");
  for (const auto one : dom::array(json.root()["cases"])) {
    const auto name = string_of(one, "name");
    auto kit = embedder(task_fixtures() / "sentence" / name);
    *kit.tokens = recorded_tokenizer(json.root()["tokenizer"], recorded_tokenizer::decoder::wordpiece);
    for (const auto [text, ids] : dom::object(one["prompts"])) {
      kit.tokens->texts[std::string(text)].ids = ids_of(ids.at(0));
      kit.tokens->bare_texts[std::string(text)].ids = ids_of(ids.at(1));
    }
    for (const auto said : dom::array(one["expected"]))
      kit.tokens->texts[string_of(said, "full")].ids = ids_of(said["ids"]);
    for (const auto& kind : {feature_extraction(), sentence_similarity()}) {
      const auto head = made(kit, kind);
      EXPECT_EQ(head->notes(), "") << name;
      for (const auto said : dom::array(one["expected"])) {
        const auto text = string_of(said, "text"), what = name + " '" + string_of(said, "full") + '\'';
        task_parameters given;
        if (const auto prompt = text_of(said, "prompt"); !prompt.empty()) given.prompt_name = prompt;
        const auto lines = lines_of(said["lines"]);
        expect_near(vector_of(kit, *head, text, given, lines), floats_of(said["vector"]), what, 2e-5);
        given.normalize = true;
        expect_near(vector_of(kit, *head, text, given, lines), floats_of(said["unit"]), what + " normalized", 2e-5);
        given.normalize.reset();
        given.all_tokens = true;
        const auto all = std::get<token_embeddings>(output_of(kit, *head, text, given, lines));
        EXPECT_EQ(all.values, lines) << what;
        EXPECT_EQ(all.width, 8U);
      }
    }
  }
}

TEST(feature_extraction, of_a_bare_encoder_is_the_mean) {
  const scratch_folder folder;
  auto kit = embedder(folder.path(), 2);
  kit.tokens->texts["a"].ids = {1, 2};
  const auto head = made(kit, feature_extraction());
  EXPECT_EQ(head->wants(), network_output::token_states);
  EXPECT_EQ(head->memory_bytes(), 0U);
  using floats = std::vector<float>;
  EXPECT_EQ(vector_of(kit, *head, std::string("a"), {}, {2, 4, 4, 4}), (floats{3, 4}));
  EXPECT_EQ(vector_of(kit, *head, token_ids{{1, 2}}, {}, {2, 4, 4, 4}), (floats{3, 4}));
  task_parameters given;
  given.normalize = true;
  EXPECT_EQ(vector_of(kit, *head, std::string("a"), given, {2, 4, 4, 4}), (floats{0.6F, 0.8F}));
  EXPECT_EQ(vector_of(kit, *head, std::string("a"), given, {0, 0, 0, 0}), (floats{0, 0}));
  given.dimensions = 1;
  EXPECT_EQ(vector_of(kit, *head, std::string("a"), given, {2, 4, 4, 4}), (floats{1})) << "cut, then normalized";
  given.normalize.reset();
  EXPECT_EQ(vector_of(kit, *head, std::string("a"), given, {2, 4, 4, 4}), (floats{3}));
  EXPECT_TRUE(std::isnan(vector_of(kit, *head, std::string("a"), {}, {NAN, 4, 4, 4})[0]));
  EXPECT_NE(problem_of(kit.read(*head, text_pair{}), error_code::unprocessable).find("feature-extraction takes a text"),
            std::string::npos);
}

TEST(feature_extraction, weights_of_modules_are_shared_and_counted_once) {
  const auto kit = embedder(task_fixtures() / "sentence" / "dense", 8);
  shared_parts shared;
  auto from = kit.source();
  from.shared = &shared;
  const auto vectors = feature_extraction().make(from);
  ASSERT_TRUE(vectors) << vectors.error().message;
  const auto* first = shared.modules.get();
  const auto similarity = sentence_similarity().make(from);
  ASSERT_TRUE(similarity) << similarity.error().message;
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(shared.modules.get(), first);
  EXPECT_EQ((*vectors)->memory_bytes() + (*similarity)->memory_bytes(), first->memory_bytes());
  EXPECT_EQ(vectors_memory(kit.spec.path, 8, *kit.tokens).value(), first->memory_bytes());
  EXPECT_GT(first->memory_bytes(), 0U);
}

TEST(feature_extraction, vectors_of_a_model_that_normalizes) {
  const scratch_folder folder;
  write_file(folder.path() / "modules.json",
             R"([{"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"},
                 {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
                 {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"}])");
  auto kit = embedder(folder.path(), 2);
  kit.tokens->texts["a"].ids = {1};
  const auto head = made(kit, feature_extraction());
  using floats = std::vector<float>;
  const floats line{3, 4};
  EXPECT_EQ(vector_of(kit, *head, std::string("a"), {}, line), (floats{0.6F, 0.8F}));
  task_parameters given;
  given.dimensions = 1;
  EXPECT_EQ(vector_of(kit, *head, std::string("a"), given, line), (floats{1}));
  given.normalize = false;
  EXPECT_EQ(vector_of(kit, *head, std::string("a"), given, line), (floats{3})) << "as asked: not even the module's";
  given.dimensions = 3;
  EXPECT_EQ(problem_of(head->check(given), error_code::bad_request),
            "'dimensions' is 3, which this model does not have | 1 to 2");
  given.dimensions = 0;
  EXPECT_NE(problem_of(head->check(given), error_code::bad_request).find("'dimensions'"), std::string::npos);
}

TEST(feature_extraction, bad_values_are_named) {
  auto kit = embedder(task_fixtures() / "sentence" / "prompts");
  kit.tokens->texts["do n: a"].ids = {1, 2};
  const auto head = made(kit, feature_extraction());
  task_parameters given;
  given.prompt_name = "questions";
  EXPECT_EQ(problem_of(head->check(given), error_code::bad_request),
            "'prompt_name' is 'questions', which this model does not have | it has query, document, nothing");
  given.prompt_name = "query";
  EXPECT_TRUE(kit.read(*head, std::string("a"), given));
  EXPECT_NE(
      problem_of(kit.read(*head, token_ids{{1}}, given), error_code::unprocessable).find("'prompt_name' needs a text"),
      std::string::npos);
  given.prompt_name = "nothing";
  EXPECT_TRUE(kit.read(*head, token_ids{{1}}, given));
  EXPECT_TRUE(kit.read(*head, token_ids{{1}})) << "the default prompt is for texts";
  given = {};
  given.all_tokens = true;
  given.dimensions = 2;
  EXPECT_NE(problem_of(head->check(given), error_code::bad_request).find("'dimensions'"), std::string::npos);
  given.dimensions.reset();
  given.normalize = true;
  EXPECT_NE(problem_of(head->check(given), error_code::bad_request).find("'normalize'"), std::string::npos);
  given = {};
  given.raw_scores = true;
  EXPECT_NE(problem_of(head->check(given), error_code::bad_request)
                .find("'raw_scores' is not a parameter of feature-extraction"),
            std::string::npos);
  EXPECT_NE(
      problem_of(made(kit, sentence_similarity())->check(given), error_code::bad_request).find("sentence-similarity"),
      std::string::npos);
}

TEST(feature_extraction, asks_only_for_the_lines_that_it_looks_at) {
  const auto picks_of = [](const std::string& name, const input& in, const task_parameters& given = {}) {
    auto kit = embedder(task_fixtures() / "sentence" / name);
    for (const char* text : {"a", "do n: a", "do n: ", "smiths' "}) kit.tokens->texts[text].ids = {1, 2, 3, 4};
    for (const char* text : {"do n: ", "smiths' "}) kit.tokens->bare_texts[text].ids = {2, 3};
    const auto head = made(kit, feature_extraction());
    return kit.read(*head, in, given)->rows.at(0).picks;
  };
  using tokens = std::vector<std::uint32_t>;
  EXPECT_EQ(picks_of("cls", std::string("a")), tokens{0});
  EXPECT_EQ(picks_of("lasttoken", std::string("a")), tokens{3});
  EXPECT_EQ(picks_of("mean", std::string("a")), tokens{});
  task_parameters given;
  given.all_tokens = true;
  EXPECT_EQ(picks_of("cls", std::string("a"), given), tokens{});
  given = {};
  given.prompt_name = "query";
  EXPECT_EQ(picks_of("last_without_prompt", std::string("a")), (tokens{0, 3}));
  EXPECT_EQ(picks_of("last_without_prompt", std::string("a"), given), tokens{3})
      << "of three prompt tokens nothing is seen";
  EXPECT_EQ(picks_of("last_without_prompt", token_ids{{5, 6}}), (tokens{0, 1}));
}

}  // namespace
}  // namespace troupe::inference::tests
