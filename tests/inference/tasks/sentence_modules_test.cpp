// What is read of a sentence-transformers folder, and what of it is refused; the numbers are feature_extraction_test's.

#include "inference/tasks/sentence_modules.hpp"

#include "tests/inference/tasks/support.hpp"

namespace troupe::inference::tests {
namespace {

const std::string transformer = R"({"type": "sentence_transformers.models.Transformer", "path": ""})";
const std::string pooling_row = R"({"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"})";
std::string row(const std::string& type, const std::string& path) {
  return R"({"type": "sentence_transformers.sentence_transformer.modules.)" + type + R"(", "path": ")" + path + "\"}";
}

struct folder_of_modules {
  scratch_folder scratch;
  recorded_tokenizer tokens;

  folder_of_modules& file(const std::string& name, const std::string& text) {
    write_file(scratch.path() / name, text);
    return *this;
  }
  result<sentence_config> config(sentence_model wanted = sentence_model::embedder) const {
    return read_sentence_config(scratch.path(), wanted, tokens);
  }
  result<sentence_modules> modules() const {
    auto read = config();
    if (!read) return tl::unexpected(read.error());
    return sentence_modules::read(*read, 4);
  }
  std::string problem() const {
    const auto read = modules();
    return problem_of(read, error_code::unprocessable);
  }
};
std::string problem_with(const std::string& rows, const std::string& settings = "{}") {
  folder_of_modules folder;
  folder.file("modules.json", '[' + rows + ']').file("config_sentence_transformers.json", settings);
  return folder.problem();
}
testing::AssertionResult holds(const std::string& text, std::string_view part) {
  if (text.find(part) != text.npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << text;
}

TEST(sentence_config, of_a_bare_folder_says_nothing) {
  folder_of_modules folder;
  folder.file("config_sentence_transformers.json", R"({"prompts": {"x": "y"}})");
  const auto read = folder.config();
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_FALSE(read->listed);
  EXPECT_TRUE(read->rules.prompt("query")) << "sentence-transformers has them always";
  EXPECT_FALSE(read->rules.prompt("x")) << "without modules.json it is not read";
  EXPECT_FALSE(folder.config(sentence_model::cross_encoder)->rules.prompt("query"));
  EXPECT_EQ(folder.modules()->width(), 4U);
}

TEST(sentence_config, prompts_are_as_they_are_written) {
  folder_of_modules folder;
  folder.file("modules.json", '[' + transformer + ',' + pooling_row + ']')
      .file("config_sentence_transformers.json",
            R"({"prompts": {"b": "B: ", "a": null, "query": "Q: "}, "default_prompt_name": "b", "truncate_dim": 2})");
  const auto read = folder.config();
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->rules.default_prompt, "B: ");
  EXPECT_EQ(read->rules.prompt(std::nullopt).value(), "B: ");
  EXPECT_EQ(read->rules.prompt("query").value(), "Q: ");
  EXPECT_EQ(read->rules.prompt("a").value(), "");
  EXPECT_EQ(read->truncate_dim, 2U);
  EXPECT_FALSE(read->rules.lower_case);
}

TEST(sentence_config, do_lower_case_counts_under_all_names_of_its_file) {
  for (const char* name : {"sentence_bert_config.json", "sentence_xlm-roberta_config.json"}) {
    folder_of_modules folder;
    folder.tokens.tokens = {"[PAD]", "[MASK]"};
    folder.tokens.named.mask = 1;
    folder.file("modules.json", R"([{"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"}])")
        .file(std::string("0_Transformer/") + name, R"({"max_seq_length": 8, "do_lower_case": true})");
    const auto read = folder.config();
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_TRUE(read->rules.lower_case) << name;
    EXPECT_EQ(read->rules.kept, names{"[MASK]"});
  }
}

TEST(sentence_config, the_length_is_the_transformer_s_under_all_names_of_its_file) {
  const auto length = [](const std::string& path, const std::string& file, const std::string& text) {
    folder_of_modules folder;
    folder.file("modules.json", R"([{"type": "sentence_transformers.models.Transformer", "path": ")" + path + "\"}]")
        .file(file, text);
    return sentence_length(folder.scratch.path());
  };
  using number = std::optional<std::uint32_t>;
  for (const char* name : {"bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"}) {
    const auto file = "sentence_" + std::string(name) + "_config.json";
    EXPECT_EQ(length("0_Transformer", "0_Transformer/" + file, R"({"max_seq_length": 8})").value(), number(8)) << name;
    EXPECT_EQ(length("", file, R"({"max_seq_length": 8})").value(), number(8)) << name;
    EXPECT_EQ(length("0_Transformer", file, R"({"max_seq_length": 8})").value(), number()) << "another folder's";
  }
  const auto of = [&](const std::string& text) { return length("", "sentence_bert_config.json", text).value(); };
  EXPECT_EQ(of("{}"), number());
  EXPECT_EQ(of(R"({"max_seq_length": null})"), number());
  EXPECT_EQ(of(R"({"max_seq_length": 1e30})"), number(0)) << "no limit";
  EXPECT_EQ(of(R"({"max_seq_length": 8, "tokenizer_args": {"model_max_length": 9}})"), number(9));
  EXPECT_EQ(of(R"({"max_seq_length": 8, "processor_kwargs": {"model_max_length": 9}})"), number(9));
  const auto broken = length("", "sentence_bert_config.json", R"({"max_seq_length": -1})");
  ASSERT_FALSE(broken);
  EXPECT_TRUE(holds(broken.error().message, "sentence_bert_config.json:1:20: 'max_seq_length' must be a whole number"));
  folder_of_modules bare;
  bare.file("sentence_bert_config.json", R"({"max_seq_length": 8})");
  EXPECT_EQ(sentence_length(bare.scratch.path()).value(), number()) << "without modules.json nobody reads it";
  for (const char* modules : {"[", "{}", "[]", R"([{"type": "mine.Transformer", "path": ""}])",
                              R"([{"type": "sentence_transformers.models.Transformer", "path": "../x"}])"}) {
    bare.file("modules.json", modules);
    EXPECT_EQ(sentence_length(bare.scratch.path()).value(), number()) << modules;
  }
}

TEST(sentence_config, what_else_is_told_to_the_tokenizer_is_not_used_and_told) {
  folder_of_modules folder;
  folder.file("modules.json", '[' + transformer + ',' + pooling_row + ']')
      .file("sentence_bert_config.json", R"({"tokenizer_args": {"model_max_length": 9}})");
  EXPECT_EQ(folder.config()->notes, "");
  folder.file("sentence_bert_config.json", R"({"tokenizer_args": {"do_lower_case": true}})");
  EXPECT_TRUE(holds(folder.config()->notes, "tokenizer_args"));
}

TEST(sentence_config, what_it_does_not_know_is_refused_by_name) {
  EXPECT_TRUE(
      holds(problem_with(transformer, R"({"model_type": "SparseEncoder"})"), "'model_type' is 'SparseEncoder'"));
  EXPECT_TRUE(holds(problem_with(transformer, R"({"prompts": ["a"]})"), "'prompts' must be an object"));
  EXPECT_TRUE(holds(problem_with(transformer, R"({"prompts": {"a": 1}})"), "'prompts.a' must be a string"));
  EXPECT_TRUE(holds(problem_with(transformer, R"({"default_prompt_name": "x"})"), "it has query, document"));
  EXPECT_TRUE(holds(problem_with(transformer, R"({"truncate_dim": 0})"), "'truncate_dim' must be"));
  EXPECT_TRUE(holds(problem_with(R"({"path": ""})"), "must name its class"));
  EXPECT_TRUE(holds(problem_with(R"({"type": "custom_st.Transformer", "path": ""})"),
                    "'custom_st.Transformer', which is code"));
  EXPECT_TRUE(holds(problem_with(row("StaticEmbedding", "")),
                    "is a StaticEmbedding, which is not supported in the first place"));
  for (const char* path : {"../x", "/etc", "a/../.."})
    EXPECT_TRUE(holds(problem_with(transformer + ',' + row("Pooling", path)), "leads out")) << path;
  folder_of_modules folder;
  folder.file("modules.json", '[' + transformer + ']')
      .file("sentence_bert_config.json", R"({"transformer_task": "fill-mask"})");
  EXPECT_TRUE(holds(folder.problem(), "'transformer_task' is 'fill-mask', which is not supported"));
}

TEST(sentence_config, a_folder_of_the_other_kind_is_read_as_a_bare_one) {
  folder_of_modules folder;
  folder.file("modules.json", '[' + transformer + ']')
      .file("config_sentence_transformers.json",
            R"({"model_type": "CrossEncoder", "default_prompt_name": "q", "prompts": {"q": "Q"}})");
  const auto embedder = folder.config();
  ASSERT_TRUE(embedder) << embedder.error().message;
  EXPECT_FALSE(embedder->listed);
  EXPECT_EQ(embedder->rules.default_prompt, "");
  EXPECT_EQ(folder.config(sentence_model::cross_encoder)->rules.default_prompt, "Q");
}

TEST(sentence_modules, follow_the_transformer_in_any_order_after_one_pooling) {
  EXPECT_TRUE(holds(problem_with(transformer), "no Pooling"));
  EXPECT_TRUE(holds(problem_with(transformer + ',' + row("Normalize", "1")),
                    "a Normalize after the Transformer is not supported"));
  EXPECT_TRUE(holds(problem_with(transformer + ',' + pooling_row + ',' + pooling_row), "a Pooling in this place"));
  EXPECT_TRUE(
      holds(problem_with(transformer + ',' + pooling_row + ',' + row("CNN", "2")), "the module CNN is not supported"));
  EXPECT_EQ(problem_with(transformer + ',' + pooling_row + ',' + row("Dropout", "2") + ',' + row("Normalize", "3")),
            "no problem");
}

TEST(sentence_modules, dense_says_what_does_not_fit) {
  const auto problem = [](const std::string& config, bool weights = true) {
    folder_of_modules folder;
    folder.file("modules.json", '[' + transformer + ',' + pooling_row + ',' + row("Dense", "2_Dense") + ']')
        .file("2_Dense/config.json", config);
    if (weights)
      fs::copy(task_fixtures() / "sentence" / "dense" / "2_Dense" / "model.safetensors",
               folder.scratch.path() / "2_Dense");
    return folder.problem();
  };
  EXPECT_TRUE(holds(problem(R"({"in_features": 8, "out_features": 5})"), "'in_features' must be 4"));
  EXPECT_TRUE(holds(problem(R"({"out_features": 5})"), "'in_features' must be a whole number"));
  EXPECT_TRUE(holds(problem(R"({"in_features": 4, "out_features": 5})"),
                    "2_Dense: the tensor linear.weight has the shape [5,8]"));
  EXPECT_TRUE(holds(
      problem(R"({"in_features": 4, "out_features": 5, "activation_function": "torch.nn.modules.activation.PReLU"})"),
      "PReLU' is not supported"));
  EXPECT_TRUE(holds(problem(R"({"in_features": 4, "out_features": 5, "module_input_name": "token_embeddings"})"),
                    "'module_input_name' is 'token_embeddings', which is not supported"));
  folder_of_modules folder;
  folder.file("modules.json", '[' + transformer + ',' + pooling_row + ',' + row("Dense", "2_Dense") + ']')
      .file("2_Dense/config.json", R"({"in_features": 4, "out_features": 5})");
  EXPECT_FALSE(folder.modules()) << "no weights";
}

TEST(sentence_modules, an_activation_of_the_checkpoint_s_own_is_tanh_and_told) {
  scratch_folder scratch;
  copy_folder(task_fixtures() / "sentence" / "dense", scratch.path() / "m");
  write_file(scratch.path() / "m" / "2_Dense" / "config.json",
             R"({"in_features": 8, "out_features": 5, "activation_function": "mine.Act"})");
  const recorded_tokenizer tokens;
  const auto config = read_sentence_config(scratch.path() / "m", sentence_model::embedder, tokens);
  ASSERT_TRUE(config) << config.error().message;
  const auto modules = sentence_modules::read(*config, 8);
  ASSERT_TRUE(modules) << modules.error().message;
  EXPECT_NE(modules->notes().find("'mine.Act' is code"), std::string::npos) << modules->notes();
  EXPECT_EQ(modules->width(), 5U);
  EXPECT_TRUE(modules->normalizes());
  EXPECT_EQ(modules->memory_bytes(), (8 * 5 + 5) * sizeof(float));
  fs::remove(scratch.path() / "m" / "2_Dense" / "model.safetensors");
  const auto planned = sentence_modules::plan(*config, 8);
  ASSERT_TRUE(planned) << planned.error().message;
  EXPECT_EQ(planned->memory_bytes(), modules->memory_bytes()) << "told without the weights";
}

TEST(pooling, modes_have_names_of_two_generations) {
  const auto modes = [](const std::string& config) { return read_pooling(parsed(config))->modes; };
  using list = std::vector<pooling_mode>;
  EXPECT_EQ(modes("{}"), list{pooling_mode::mean});
  EXPECT_EQ(modes(R"({"pooling_mode": "cls"})"), list{pooling_mode::cls});
  EXPECT_EQ(modes(R"({"pooling_mode": ["mean", "cls"]})"), (list{pooling_mode::mean, pooling_mode::cls}))
      << "in its order";
  EXPECT_EQ(modes(R"({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true})"),
            (list{pooling_mode::cls, pooling_mode::mean}));
  EXPECT_EQ(modes(R"({"pooling_mode_mean_tokens": false})"), list{pooling_mode::mean});
  EXPECT_EQ(modes(R"({"pooling_mode": "max", "pooling_mode_cls_token": true})"), list{pooling_mode::max});
  EXPECT_FALSE(read_pooling(parsed(R"({"include_prompt": false})"))->include_prompt);
  const auto problem = [](const std::string& config) {
    return problem_of(read_pooling(parsed(config)), error_code::unprocessable);
  };
  EXPECT_TRUE(holds(problem(R"({"pooling_mode": "median"})"), "'median', which is not supported"));
  EXPECT_TRUE(holds(problem(R"({"pooling_mode": ["mean", 3]})"), "'pooling_mode[1]'"));
  EXPECT_TRUE(holds(problem(R"({"pooling_mode": []})"), "one mode or more"));
}

TEST(pooling, of_no_token_is_zero) {
  const std::vector<float> values{1, 2, 3, 4};
  const token_lines lines{values, 2, 2, {}};
  for (const auto mode : {pooling_mode::max, pooling_mode::mean, pooling_mode::mean_sqrt_length,
                          pooling_mode::weighted_mean, pooling_mode::last_token})
    EXPECT_EQ(pool({{mode}, false}, lines, 2), (std::vector<double>{0, 0}));
  EXPECT_EQ(pool({{pooling_mode::cls}, false}, lines, 2), (std::vector<double>{1, 2}));
}

TEST(pooling, a_mean_of_many_tokens_keeps_its_precision) {
  const std::vector<float> values(100'000, 0.1F);
  EXPECT_EQ(static_cast<float>(pool({}, {values, 1, values.size(), {}}, 0)[0]), 0.1F);
}

TEST(torch_activation, knows_torch_s_by_their_class) {
  const auto at = [](const char* name, double x) { return (*torch_activation(name))(x); };
  EXPECT_EQ(at("torch.nn.modules.linear.Identity", -3), -3);
  EXPECT_NEAR(at("torch.nn.modules.activation.GELU", 1), 0.8413447460685429, 1e-12);
  EXPECT_NEAR(at("torch.nn.SiLU", -1), -0.2689414213699951, 1e-12);
  EXPECT_NEAR(at("torch.nn.SELU", -1), -1.1113307378125625, 1e-12);
  EXPECT_NEAR(at("torch.nn.Mish", 1), 0.8650983882673103, 1e-12);
  EXPECT_NEAR(at("torch.nn.Softplus", -1), 0.31326168751822286, 1e-12);
  EXPECT_NEAR(at("torch.nn.LogSigmoid", 2), -0.12692801104297252, 1e-12);
  EXPECT_EQ(at("torch.nn.ReLU6", 7), 6);
  EXPECT_EQ(at("torch.nn.LeakyReLU", -1), -0.01);
  EXPECT_TRUE(std::isnan(at("torch.nn.ReLU", NAN)));
  EXPECT_FALSE(torch_activation("torch.nn.Softmax"));
  EXPECT_FALSE(torch_activation("torch.tanh"));
  EXPECT_FALSE(torch_activation("mine.Tanh"));
}

}  // namespace
}  // namespace troupe::inference::tests
