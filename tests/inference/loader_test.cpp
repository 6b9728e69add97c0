// load() as a whole: what is found out early, what is refused, and that nothing is thrown.

#include "inference/loader.hpp"

#include "inference/runtime.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

class loader : public testing::Test {
 protected:
  void SetUp() override {
    initialise_runtime();
    copy_folder(fixtures() / "inference" / "bert" / "gelu", folder());
  }
  fs::path folder() const { return scratch_.path() / "model"; }
  void replace(const std::string& file, const std::string& from, const std::string& to) {
    auto text = read_file(folder() / file);
    const auto at = text.find(from);
    ASSERT_NE(at, text.npos) << from;
    text.replace(at, from.size(), to);
    write_file(folder() / file, text);
  }
  // Loading and estimating both fail, in one line.
  error refusal(artifact_spec spec) {
    auto made = load(spec, {});
    if (made) {
      ADD_FAILURE() << "it loaded";
      return {};
    }
    EXPECT_FALSE(made.error().message.empty());
    EXPECT_EQ(made.error().message.find('\n'), std::string::npos);
    return made.error();
  }
  error refusal() { return refusal(spec_of(folder())); }
  bool refused_with(const std::string& text) {
    const auto e = refusal();
    const bool found = (e.message + " / " + e.detail).find(text) != std::string::npos;
    if (!found) ADD_FAILURE() << e.message << " / " << e.detail;
    return found && e.code == error_code::unprocessable;
  }
  scratch_folder scratch_;
};

TEST_F(loader, estimates_at_least_what_is_used) {
  for (const auto p : {precision::fp32, precision::bf16}) {
    load_options options;
    options.store = scratch_.path() / "store";
    const auto estimate = estimate_bytes(spec_of(folder(), p), options);
    ASSERT_TRUE(estimate);
    const auto m = load(spec_of(folder(), p), options);
    ASSERT_TRUE(m);
    EXPECT_GE(*estimate, (*m)->memory().total_bytes());
    EXPECT_LE(*estimate, (*m)->memory().total_bytes() + (3U << 20U));
  }
}

TEST_F(loader, automatic_precision_is_the_options) {
  load_options options;
  options.automatic_precision = precision::bf16;
  EXPECT_EQ((*load(spec_of(folder(), precision::automatic), options))->info().precision, "bf16");
  options.automatic_precision = precision::fp32;
  EXPECT_EQ((*load(spec_of(folder(), precision::automatic), options))->info().precision, "fp32");
}

TEST_F(loader, a_missing_path_is_told) {
  const auto spec = spec_of(scratch_.path() / "nothing");
  EXPECT_EQ(refusal(spec).code, error_code::load_failed);
  EXPECT_EQ(estimate_bytes(spec, {}).error().code, error_code::load_failed);
  EXPECT_EQ(fingerprint(spec).error().code, error_code::load_failed);
  fs::create_directories(scratch_.path() / "empty");
  EXPECT_EQ(refusal(spec_of(scratch_.path() / "empty")).code, error_code::load_failed);
}

TEST_F(loader, other_formats_are_told) {
  for (const char* name : {"x.onnx", "x.safetensors", "x", "x.gguf"}) {
    write_file(scratch_.path() / name, "?");
    EXPECT_EQ(refusal(spec_of(scratch_.path() / name)).code, error_code::unprocessable) << name;
  }
}

TEST_F(loader, a_device_that_is_not_there_is_told) {
  load_options options;
  for (const char* device : {"cuda", "cuda:7", "tpu", "", "cuda:", "cuda:x"}) {
    options.device = device;
    if (!cuda_available() || std::string(device).find("cuda") == std::string::npos) {
      EXPECT_FALSE(load(spec_of(folder()), options)) << device;
    }
  }
}

TEST_F(loader, config_errors_name_the_field) {
  const auto original = read_file(folder() / "config.json");
  const auto with = [&](const std::string& from, const std::string& to) {
    write_file(folder() / "config.json", original);
    replace("config.json", from, to);
  };
  with("\"hidden_size\": 32", "\"hidden_size\": 0");
  EXPECT_TRUE(refused_with("hidden_size"));
  with("\"hidden_size\": 32", "\"hidden_size\": -1");
  EXPECT_TRUE(refused_with("hidden_size"));
  with("\"hidden_size\": 32", "\"hidden_size\": 99999999999999");
  EXPECT_TRUE(refused_with("hidden_size"));
  with("\"hidden_size\": 32", "\"hidden_size\": \"32\"");
  EXPECT_TRUE(refused_with("hidden_size"));
  with("\"num_attention_heads\": 4", "\"num_attention_heads\": 5");
  EXPECT_TRUE(refused_with("multiple"));
  with("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1000000");
  EXPECT_TRUE(refused_with("num_hidden_layers"));
  with("\"hidden_act\": \"gelu\"", "\"hidden_act\": \"mish\"");
  EXPECT_TRUE(refused_with("'mish'"));
  with("BertForSequenceClassification", "RobertaForSequenceClassification");
  EXPECT_TRUE(refused_with("BPE"));
  with("BertForSequenceClassification", "LlamaForCausalLM");
  EXPECT_TRUE(refused_with("LlamaForCausalLM"));
  with("\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": 7");
  EXPECT_TRUE(refused_with("layer_norm_eps"));
  write_file(folder() / "config.json", "{\"architectures\": []}");
  EXPECT_TRUE(refused_with("architectures"));
  write_file(folder() / "config.json", "[]");
  EXPECT_TRUE(refused_with("config.json"));
  write_file(folder() / "config.json", std::string(5U << 20U, ' '));
  EXPECT_TRUE(refused_with("too large"));
}

TEST_F(loader, shapes_that_do_not_fit_the_config_name_the_tensor) {
  const auto original = read_file(folder() / "config.json");
  const auto with = [&](const std::string& from, const std::string& to) {
    write_file(folder() / "config.json", original);
    replace("config.json", from, to);
  };
  with("\"hidden_size\": 32", "\"hidden_size\": 64");
  EXPECT_TRUE(refused_with("word_embeddings.weight' has shape"));
  with("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
  EXPECT_TRUE(refused_with("lacks tensor 'bert.encoder.layer.2."));
  with("\"intermediate_size\": 64", "\"intermediate_size\": 63");
  EXPECT_TRUE(refused_with("intermediate.dense.weight"));
  with("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 65");
  EXPECT_TRUE(refused_with("position_embeddings"));
}

TEST_F(loader, labels_must_fit) {
  auto spec = spec_of(folder());
  spec.labels = {"only", "two"};
  EXPECT_EQ(refusal(spec).code, error_code::unprocessable);
  spec.labels = {"a", "b", "c"};
  EXPECT_EQ((*load(spec, {}))->info().labels, spec.labels);
  replace("config.json", "\"2\": \"yes\"", "\"7\": \"yes\"");
  EXPECT_TRUE(refused_with("without gaps"));
}

TEST_F(loader, labels_may_be_numbers) {
  replace("config.json", "\"2\": \"yes\"", "\"2\": 7");
  const auto made = load(spec_of(folder()), {});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ((*made)->info().labels.back(), "7");
}

TEST_F(loader, the_registrys_labels_win_over_broken_ones) {
  const auto original = read_file(folder() / "config.json");
  auto spec = spec_of(folder());
  spec.labels = {"a", "b", "c"};
  for (const char* broken : {"\"9\": \"yes\"", "\"x\": \"yes\"", "\"2\": [1]", "\"99999999999999999999999\": 1"}) {
    write_file(folder() / "config.json", original);
    replace("config.json", "\"2\": \"yes\"", broken);
    EXPECT_TRUE(refused_with("'id2label")) << broken;
    const auto made = load(spec, {});
    ASSERT_TRUE(made) << broken << ": " << made.error().message;
    EXPECT_EQ((*made)->info().labels, spec.labels);
  }
}

TEST_F(loader, a_missing_architecture_is_told_by_type_and_labels) {
  replace("config.json", "\"architectures\"", "\"was_architectures\"");
  const auto made = load(spec_of(folder()), {});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ((*made)->info().architecture, "BertForSequenceClassification");
  EXPECT_NE((*made)->info().notes.find("model_type 'bert'"), std::string::npos);
  // Nothing says that it is a classifier, but for the registry.
  replace("config.json", "\"id2label\"", "\"was_id2label\"");
  replace("config.json", "\"label2id\"", "\"was_label2id\"");
  EXPECT_TRUE(refused_with("'architectures' is missing"));
  auto spec = spec_of(folder());
  spec.labels = {"a", "b", "c"};
  EXPECT_TRUE(load(spec, {}));
  replace("config.json", "\"bert\"", "\"electra\"");
  EXPECT_NE(refusal(spec).message.find("'electra'"), std::string::npos);
}

TEST_F(loader, numbers_as_python_writes_them_are_read) {
  const auto original = read_file(folder() / "config.json");
  replace("config.json", "\"hidden_size\"", "\"x\": [NaN, -Infinity, 1e999, 1000000000000000019884624838656], \"hidden_size\"");
  write_file(folder() / "tokenizer_config.json", R"({"model_max_length": 1000000000000000019884624838656})");
  const auto made = load(spec_of(folder()), {});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ((*made)->info().max_length, 64U);
  for (const char* value : {"NaN", "Infinity", "1000000000000000019884624838656"}) {
    write_file(folder() / "config.json", original);
    replace("config.json", "\"hidden_size\": 32", std::string("\"hidden_size\": ") + value);
    EXPECT_TRUE(refused_with("'hidden_size' must be")) << value;
  }
}

TEST_F(loader, a_tokenizer_beyond_the_embeddings_is_refused) {
  replace("tokenizer.json", "\"[MASK]\": 4", "\"[MASK]\": 4000");
  EXPECT_TRUE(refused_with("embeddings"));
}

TEST_F(loader, max_length_is_the_least_of_all) {
  auto spec = spec_of(folder());
  spec.max_length = 10;
  EXPECT_EQ((*load(spec, {}))->info().max_length, 10U);
  spec.max_length = 1'000'000;
  EXPECT_EQ((*load(spec, {}))->info().max_length, 64U);
  spec.max_length = 2;
  EXPECT_EQ(refusal(spec).code, error_code::unprocessable);
  write_file(folder() / "tokenizer_config.json", R"({"model_max_length": 20})");
  EXPECT_EQ((*load(spec_of(folder()), {}))->info().max_length, 20U);
}

TEST_F(loader, an_artifact_has_a_largest_size) {
  load_options options;
  options.max_artifact_bytes = 1000;
  EXPECT_EQ(load(spec_of(folder()), options).error().code, error_code::payload_too_large);
  EXPECT_EQ(estimate_bytes(spec_of(folder()), options).error().code, error_code::payload_too_large);
}

TEST_F(loader, the_version_changes_with_the_files) {
  const auto first = fingerprint(spec_of(folder()));
  ASSERT_TRUE(first);
  EXPECT_EQ((*load(spec_of(folder()), {}))->info().version, *first);
  replace("config.json", "gelu", "relu");
  EXPECT_NE(*fingerprint(spec_of(folder())), *first);
}

TEST_F(loader, a_truncated_weights_file_is_an_error) {
  const auto size = fs::file_size(folder() / "model.safetensors");
  for (const auto left : {std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{100}, size / 2, size - 1}) {
    fs::resize_file(folder() / "model.safetensors", left);
    EXPECT_EQ(refusal().code, error_code::unprocessable) << left;
  }
}

TEST_F(loader, factories_come_first) {
  register_factory(
      "test",
      [](const artifact_spec& spec,
         const load_options&) -> std::optional<result<std::unique_ptr<const model>>> {
        if (spec.path != "made-up") return std::nullopt;
        return result<std::unique_ptr<const model>>(fail(error_code::conflict, "from the factory"));
      });
  EXPECT_EQ(load(spec_of("made-up"), {}).error().code, error_code::conflict);
  register_factory("throws",
                   [](const artifact_spec& spec,
                      const load_options&) -> std::optional<result<std::unique_ptr<const model>>> {
                     if (spec.path == "thrown") throw 7;
                     return std::nullopt;
                   });
  EXPECT_EQ(load(spec_of("thrown"), {}).error().code, error_code::load_failed);
}

}  // namespace
}  // namespace troupe::inference::tests
