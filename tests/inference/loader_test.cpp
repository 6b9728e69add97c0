// load() as a whole: what is found out early, what is refused, and that nothing is thrown.

#include "inference/loader.hpp"

#include <chrono>
#include <cstring>

#include "inference/files/safetensors.hpp"
#include "inference/model/step_aside.hpp"
#include "inference/precision_choice.hpp"
#include "inference/programs/torchscript.hpp"
#include "inference/tables.hpp"
#include "inference/tasks/text_classification.hpp"
#include "inference/torch/runtime.hpp"
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

// A BERT classifier with `vocabulary` words in its tokenizer and `rows` embeddings, weights of zeros, `shards` files.
void write_bert(const fs::path& folder, std::int64_t vocabulary, std::int64_t rows, int shards = 1, float value = 0,
                std::int64_t types = 2) {
  constexpr std::int64_t h = 64, inner = 128;
  std::vector<stored_tensor> tensors;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
    tensors.push_back({name, "F32", std::move(shape), 0, 0});
  };
  const auto linear = [&](const std::string& name, std::int64_t to, std::int64_t from) {
    add(name + ".weight", {to, from});
    add(name + ".bias", {to});
  };
  const auto norm = [&](const std::string& name) { add(name + ".weight", {h}), add(name + ".bias", {h}); };
  add("bert.embeddings.word_embeddings.weight", {rows, h});
  add("bert.embeddings.position_embeddings.weight", {64, h});
  add("bert.embeddings.token_type_embeddings.weight", {types, h});
  norm("bert.embeddings.LayerNorm");
  const std::string layer = "bert.encoder.layer.0.";
  for (const char* part : {"query", "key", "value"}) linear(layer + "attention.self." + part, h, h);
  linear(layer + "attention.output.dense", h, h);
  norm(layer + "attention.output.LayerNorm");
  linear(layer + "intermediate.dense", inner, h);
  linear(layer + "output.dense", h, inner);
  norm(layer + "output.LayerNorm");
  linear("bert.pooler.dense", h, h);
  linear("classifier", 2, h);

  fs::create_directories(folder);
  std::string index;
  const auto each = (tensors.size() + static_cast<std::size_t>(shards) - 1) / static_cast<std::size_t>(shards);
  for (std::size_t first = 0; first < tensors.size(); first += each) {
    std::vector<stored_tensor> some(
        tensors.begin() + static_cast<std::ptrdiff_t>(first),
        tensors.begin() + static_cast<std::ptrdiff_t>(std::min(first + each, tensors.size())));
    const auto name = shards == 1 ? "model.safetensors" : "model-" + std::to_string(first) + ".safetensors";
    auto file = make_safetensors_head(some, {});
    file.resize(some.back().end, '\0');
    for (const auto& t : some) {
      if (t.name == "classifier.bias") std::memcpy(file.data() + t.begin, &value, 4);
      index += (index.empty() ? "\"" : ",\"") + t.name + "\":\"" + name + '"';
    }
    write_file(folder / name, file);
  }
  if (shards != 1) write_file(folder / "model.safetensors.index.json", "{\"weight_map\":{" + index + "}}");
  write_file(folder / "config.json",
             R"({"architectures":["BertForSequenceClassification"],"model_type":"bert","hidden_size":64,)"
             R"("num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":128,"max_position_embeddings":64,)"
             R"("type_vocab_size":2,"hidden_act":"gelu","vocab_size":)" +
                 std::to_string(rows) + "}");
  std::string words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (std::int64_t i = 5; i < vocabulary; ++i) words += "word" + std::to_string(i * 7919) + '\n';
  write_file(folder / "vocab.txt", words);
}

std::vector<float> probabilities(const model& m) {
  const auto in = m.prepare("a word");
  row r{in->get(), nullptr, {}, false, {}};
  m.make_instance()->step({&r, 1});
  return std::get<label_scores>(r.out).values;
}

class estimates : public loader {
 protected:
  // Not below what is used when the model has run, and not 10 % above it.
  void expect_close(const artifact_spec& spec, const load_options& options) {
    const auto estimate = estimate_memory(spec, options);
    ASSERT_TRUE(estimate) << estimate.error().message;
    const auto m = load(spec, options);
    ASSERT_TRUE(m) << m.error().message;
    const auto instance = (*m)->make_instance();
    for (int i = 0; (*m)->info().tasks.front() != task::tensor && i < 2; ++i) {
      const auto in = (*m)->prepare("a word");
      row r{in->get(), nullptr, {}, false, {}};
      instance->step({&r, 1});
    }
    const auto use = (*m)->memory();
    EXPECT_GE(estimate->total_bytes(), use.total_bytes());
    EXPECT_LE(static_cast<double>(estimate->total_bytes()), 1.1 * static_cast<double>(use.total_bytes()));
    EXPECT_GE(estimate->private_bytes, use.private_bytes);
    ASSERT_EQ(use.mappings.size(), estimate->file.empty() ? 0U : 1U);
    if (!use.mappings.empty()) {
      EXPECT_EQ(estimate->file, use.mappings[0].file);
      EXPECT_EQ(estimate->mapped_bytes, use.mappings[0].size_bytes);
    }
  }
  load_options stored() const {
    load_options options;
    options.store = scratch_.path() / "store";
    return options;
  }
};

TEST_F(estimates, are_close_for_every_kind_of_checkpoint) {
  const auto path = scratch_.path() / "made";
  struct kind {
    const char* name;
    std::int64_t vocabulary, rows;
    int shards;
  };
  for (const auto& k : {kind{"small", 100, 100, 1}, kind{"many_embeddings_few_words", 100, 200'000, 1},
                        kind{"many_words", 30'000, 30'000, 1}, kind{"sharded", 5'000, 30'000, 3}}) {
    write_bert(path / k.name, k.vocabulary, k.rows, k.shards);
    for (const auto p : {precision::fp32, precision::bf16, precision::automatic}) {
      SCOPED_TRACE(std::string(k.name) + ' ' + std::to_string(static_cast<int>(p)));
      expect_close(spec_of(path / k.name, p), stored());
      expect_close(spec_of(path / k.name, p), {});  // without a store
    }
  }
  for (const auto p : {precision::fp32, precision::bf16}) expect_close(spec_of(folder(), p), stored());
}

// Files of sentence-transformers for a BERT of write_bert(): a Dense of 64 to `outputs`.
void write_dense(const fs::path& folder, std::int64_t outputs) {
  write_file(folder / "modules.json",
             R"([{"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"},
                 {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
                 {"type": "sentence_transformers.models.Dense", "path": "2_Dense"}])");
  write_file(folder / "2_Dense" / "config.json",
             R"({"in_features": 64, "bias": false, "out_features": )" + std::to_string(outputs) + "}");
  std::vector<stored_tensor> tensors{{"linear.weight", "F32", {outputs, 64}, 0, 0}};
  auto file = make_safetensors_head(tensors, {});
  file.resize(tensors.back().end, '\0');
  write_file(folder / "2_Dense" / "model.safetensors", file);
}

TEST_F(estimates, count_modules_behind_the_network_once) {
  write_bert(scratch_.path() / "dense", 100, 100);
  write_dense(scratch_.path() / "dense", 8000);
  auto spec = spec_of(scratch_.path() / "dense");
  spec.task = task::sentence_similarity;
  expect_close(spec, stored());
  expect_close(spec, {});
}

TEST_F(estimates, tell_what_is_shared) {
  const auto of = [&](const fs::path& path, precision p) { return estimate_memory(spec_of(path, p), stored())->file; };
  copy_folder(folder(), scratch_.path() / "copy");
  EXPECT_EQ(of(folder(), precision::fp32), of(folder(), precision::fp32));
  EXPECT_NE(of(folder(), precision::fp32), of(folder(), precision::bf16));
  EXPECT_NE(of(folder(), precision::fp32), of(scratch_.path() / "copy", precision::fp32));
}

// Calls `act` at each moment at which a load lets others go first: between two pieces of its reading.
class amid_load {
 public:
  explicit amid_load(std::function<void(int)> act)
      : scope_([act = std::move(act), moments = std::make_shared<int>(0)] { act((*moments)++); }) {}

 private:
  step_aside_scope scope_;
};

class swapped : public loader {
 protected:
  void SetUp() override {
    loader::SetUp();
    write_bert(path("old"), 5000, 5000, 1, 0);
    write_bert(path("new"), 5000, 5000, 1, 3);
    fs::rename(path("old"), path("served"));
    spec_ = spec_of(path("served"));
  }
  fs::path path(const char* name) const { return scratch_.path() / name; }
  void swap() {
    fs::rename(path("served"), path("away"));
    fs::rename(path("new"), path("served"));
    fs::rename(path("away"), path("new"));
  }
  artifact_spec spec_;
};

// Whatever is loaded: its version is that of the files that its answers come from.
TEST_F(swapped, amid_a_load_is_never_taken_for_what_was_loaded) {
  const auto of_old = probabilities(**load(spec_, {}));
  const auto old_version = *fingerprint(spec_);
  swap();
  const auto of_new = probabilities(**load(spec_, {}));
  ASSERT_NE(of_new, of_old);
  swap();
  int moments = 0;
  {
    result<std::unique_ptr<const model>> made;  // outlives the count: giving memory back lets others go first too
    const amid_load count([&](int moment) { moments = moment + 1; });
    made = load(spec_, {});
    ASSERT_TRUE(made);
  }
  ASSERT_GE(moments, 8) << "the vocabulary and the weights are read in pieces";
  for (int when = 0; when < moments; ++when) {
    SCOPED_TRACE(when);
    result<std::unique_ptr<const model>> made;
    {
      const amid_load at([&](int moment) {
        if (moment == when) swap();
      });
      made = load(spec_, {});
    }
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(probabilities(**made), of_new);
    EXPECT_EQ((*made)->info().version, *fingerprint(spec_));
    EXPECT_NE((*made)->info().version, old_version);
    swap();
    ASSERT_EQ(*fingerprint(spec_), old_version);
  }
}

TEST_F(swapped, and_put_back_is_seen_too) {
  const auto old_version = *fingerprint(spec_);
  const auto weights = path("served") / "model.safetensors";
  const auto of_old = probabilities(**load(spec_, {}));
  result<std::unique_ptr<const model>> made;
  {
    const amid_load at([&](int moment) {
      if (moment == 0) {
        fs::rename(weights, path("aside"));
        fs::copy_file(path("new") / "model.safetensors", weights);
      } else if (moment == 3) {
        fs::rename(path("aside"), weights);
      }
    });
    made = load(spec_, {});
  }
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ((*made)->info().version, old_version);
  EXPECT_EQ(probabilities(**made), of_old);
}

TEST_F(swapped, again_and_again_is_refused_with_the_reason) {
  const auto writes = std::make_shared<int>(0);
  const amid_load at([&, writes](int) {
    write_file(path("served") / "special_tokens_map.json",
               "{}" + std::string(static_cast<std::size_t>(++*writes), ' '));
  });
  const auto made = load(spec_, {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, error_code::load_failed);
  EXPECT_NE(made.error().message.find("changed again and again"), std::string::npos) << made.error().message;
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
  EXPECT_EQ(estimate_memory(spec, {}).error().code, error_code::load_failed);
  EXPECT_EQ(fingerprint(spec).error().code, error_code::load_failed);
  fs::create_directories(scratch_.path() / "empty");
  EXPECT_EQ(refusal(spec_of(scratch_.path() / "empty")).code, error_code::unprocessable);
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
  EXPECT_TRUE(refused_with("lacks tensor 'classifier.out_proj.weight'")) << "no class is taken for another";
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

TEST_F(loader, num_labels_that_differs_wins_over_the_names) {
  replace("config.json", "\"2\": \"yes\"", "\"1\": \"maybe\"");
  EXPECT_TRUE(refused_with("config.json:"));
  EXPECT_TRUE(refused_with("'id2label' names 2 labels, the classifier has 3"));
  replace("config.json", "\"id2label\"", "\"num_labels\": 3, \"id2label\"");
  const auto made = load(spec_of(folder()), {});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ((*made)->info().labels, (std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"}));
  EXPECT_NE((*made)->info().notes.find("num_labels is 3"), std::string::npos) << (*made)->info().notes;
  replace("config.json", "\"num_labels\": 3", "\"num_labels\": 4");
  EXPECT_TRUE(refused_with("'num_labels' names 4 labels, the classifier has 3"));
  replace("config.json", "\"num_labels\": 4", "\"num_labels\": 2");
  EXPECT_TRUE(refused_with("'id2label' names 2 labels, the classifier has 3"));
}

TEST_F(loader, a_hundred_thousand_numeric_labels_are_read_in_one_walk) {
  std::string names = "\"0\": 0.5";
  for (int i = 1; i < 100'000; ++i) names += ", \"" + std::to_string(i) + "\": " + std::to_string(i);
  write_file(
      folder() / "config.json",
      R"({"architectures": ["BertForSequenceClassification"], "hidden_size": 4, "num_attention_heads": 2, "id2label": {)" +
          names + "}}");
  const auto config = model_json::read(folder() / "config.json", 16U << 20U);
  ASSERT_TRUE(config) << config.error().message;
  weight_plan plan;
  plan.logits = 100'000;
  const auto start = std::chrono::steady_clock::now();
  const auto tokens = tokenizer::load(folder());
  ASSERT_TRUE(tokens) << tokens.error().message;
  const artifact_spec spec;
  const encoder_shape shape;
  const auto head = text_classification().make({*config, spec, plan, shape, **tokens});
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));  // quadratic: minutes
  ASSERT_TRUE(head) << head.error().message;
  ASSERT_EQ((*head)->labels().size(), 100'000U);
  EXPECT_EQ((*head)->labels().front(), "0.5");
  EXPECT_EQ((*head)->labels().back(), "99999");
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
  replace("config.json", "\"bert\"", "\"xlnet\"");
  EXPECT_NE(refusal(spec).message.find("'xlnet'"), std::string::npos);
}

TEST_F(loader, numbers_as_python_writes_them_are_read) {
  const auto original = read_file(folder() / "config.json");
  replace("config.json", "\"hidden_size\"",
          "\"x\": [NaN, -Infinity, 1e999, 1000000000000000019884624838656], \"hidden_size\"");
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

class open_precision : public loader {
 protected:
  void SetUp() override {
    loader::SetUp();
    options_.store = scratch_.path() / "store";
    options_.automatic_precision = precision::automatic;
    options_.precision_tolerance = 1;
    spec_ = spec_of(folder(), precision::automatic);
  }
  std::vector<fs::path> in_store(const char* extension) const {
    std::vector<fs::path> found;
    for (const auto& e : fs::directory_iterator(options_.store))
      if (e.path().extension() == extension) found.push_back(e.path());
    return found;
  }
  std::string precision_now() const {
    const auto made = load(spec_, options_);
    EXPECT_TRUE(made) << made.error().message;
    return made ? (*made)->info().precision : "";
  }
  load_options options_;
  artifact_spec spec_;
};

TEST_F(open_precision, of_vectors_stays_whatever_this_cpu_is_fast_in) {
  spec_.task = task::feature_extraction;
  EXPECT_EQ(precision_now(), "fp32");
  const auto notes = in_store(".json");
  ASSERT_EQ(notes.size(), 1U) << "kept, though there was nothing to choose from";
  options_.candidates = {precision::bf16};
  EXPECT_EQ(precision_now(), "fp32");
  // As if it had been chosen on a CPU that is fast in it.
  keep_choice(notes.front(),
              {precision::bf16, "another CPU", false, {{"fp32", 1, 0, true}, {"bf16", 9, 0, true}}, true});
  for (const auto& candidates : {std::vector<precision>{}, {precision::bf16}}) {
    options_.candidates = candidates;
    EXPECT_EQ(precision_now(), "bf16");
    EXPECT_NE(estimate_memory(spec_, options_)->file.find(".bf16."), std::string::npos);
  }
  options_.precision_tolerance = 0;
  EXPECT_EQ(precision_now(), "bf16");
  spec_.wanted = precision::fp32;
  EXPECT_EQ(precision_now(), "fp32") << "a named one is another matter";
}

TEST_F(open_precision, leaves_the_copy_of_the_chosen_one_alone) {
  options_.candidates = {precision::bf16};
  const auto chosen = precision_now();
  auto copies = in_store(".safetensors");
  ASSERT_EQ(copies.size(), 1U);
  EXPECT_NE(copies.front().native().find('.' + chosen + '.'), std::string::npos) << copies.front();
  EXPECT_EQ(precision_now(), chosen);
  EXPECT_EQ(in_store(".safetensors"), copies);
}

// An upgrade writes the copies anew: of what is beside them, what was chosen for vectors stays.
TEST_F(open_precision, of_vectors_outlives_an_older_layout_of_the_copy) {
  spec_.task = task::feature_extraction;
  EXPECT_EQ(precision_now(), "fp32");
  const auto notes = in_store(".json");
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_TRUE(notes.front().native().ends_with(".precision.v2.json")) << notes.front();
  const auto copy = in_store(".safetensors").front();
  auto older = copy.native();
  older.replace(older.rfind(".v"), 3, ".v1");
  fs::rename(copy, older);
  EXPECT_EQ(precision_now(), "fp32");
  EXPECT_EQ(in_store(".safetensors"), std::vector{copy});
  EXPECT_EQ(in_store(".json"), notes);
}

TEST_F(open_precision, takes_no_copy_away_that_another_model_made) {
  const auto named = spec_of(folder(), precision::fp32);
  ASSERT_TRUE(load(named, options_));
  options_.candidates = {precision::bf16};
  const auto chosen = precision_now();
  EXPECT_EQ(in_store(".safetensors").size(), chosen == "fp32" ? 1U : 2U);
}

TEST_F(loader, the_registry_s_task_must_be_one_of_the_class) {
  auto spec = spec_of(folder());
  spec.task = task::text_classification;
  const auto made = load(spec, {});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ((*made)->info().tasks, (std::vector<task>{task::text_classification}));
  for (const auto other : {task::fill_mask, task::tensor}) {
    spec.task = other;
    const auto problem = refusal(spec);
    EXPECT_EQ(problem.code, error_code::unprocessable);
    EXPECT_EQ(problem.message, "the registry asks for the task " + std::string(to_string(other)) +
                                   ", which a BertForSequenceClassification does not do");
    EXPECT_EQ(problem.detail, "it does text-classification, zero-shot-classification, text-ranking");
    EXPECT_EQ(estimate_memory(spec, {}).error().message, problem.message) << "seen before anything is read";
  }
}

TEST_F(loader, a_pair_needs_a_type_for_its_second_text) {
  write_bert(folder(), 20, 20);
  fs::remove(folder() / "tokenizer.json");
  const auto two_types = load(spec_of(folder()), {});
  ASSERT_TRUE(two_types) << two_types.error().message;
  EXPECT_TRUE((*two_types)->prepare(text_pair{"a", "b"}));
  write_bert(folder(), 20, 20, 1, 0, 1);
  const auto one_type = load(spec_of(folder()), {});
  ASSERT_TRUE(one_type) << one_type.error().message;
  const auto refused = (*one_type)->prepare(text_pair{"a", "b"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::unprocessable);
  EXPECT_EQ(refused.error().message, "this model takes one text, not a pair");
  EXPECT_TRUE((*one_type)->prepare("a"));
  EXPECT_EQ((*two_types)->info().parameters - (*one_type)->info().parameters, 2 * 64) << "those that are kept beside";
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
  write_file(folder() / "modules.json",
             R"([{"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"},
                 {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}])");
  EXPECT_EQ((*load(spec_of(folder()), {}))->info().max_length, 20U);
  const auto before = *fingerprint(spec_of(folder()));
  write_file(folder() / "0_Transformer" / "sentence_roberta_config.json", R"({"max_seq_length": 30})");
  EXPECT_EQ((*load(spec_of(folder()), {}))->info().max_length, 30U) << "it stands for the tokenizer's";
  EXPECT_NE(*fingerprint(spec_of(folder())), before);
}

TEST_F(loader, a_transformer_may_have_a_folder_of_its_own) {
  const auto plain = probabilities(**load(spec_of(folder()), {}));
  const auto moved = scratch_.path() / "moved";
  copy_folder(folder(), moved / "0_Transformer");
  write_file(moved / "config.json", R"({"__version__": "1.0.0"})");
  write_file(moved / "modules.json",
             R"([{"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"},
                 {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}])");
  const auto spec = spec_of(moved);
  const auto made = load(spec, {});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(probabilities(**made), plain);
  EXPECT_TRUE(estimate_memory(spec, {}));
  fs::remove(moved / "config.json");
  EXPECT_TRUE(load(spec, {}));
  const auto version = *fingerprint(spec);
  write_file(moved / "0_Transformer" / "tokenizer_config.json", R"({"model_max_length": 20})");
  EXPECT_EQ((*load(spec, {}))->info().max_length, 20U);
  EXPECT_NE(*fingerprint(spec), version);
  fs::rename(moved / "0_Transformer" / "config.json", moved / "config.json");
  EXPECT_FALSE(load(spec, {})) << "the folder is the one with config.json, and has no weights";
}

TEST_F(loader, an_artifact_has_a_largest_size) {
  load_options options;
  options.max_artifact_bytes = 1000;
  EXPECT_EQ(load(spec_of(folder()), options).error().code, error_code::payload_too_large);
  EXPECT_EQ(estimate_memory(spec_of(folder()), options).error().code, error_code::payload_too_large);
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

TEST_F(loader, added_formats_come_first) {
  format made_up = torchscript_format();
  made_up.name = "made-up";
  made_up.claims = [](const artifact_spec& spec) { return spec.path.extension() == ".made-up"; };
  made_up.load = [](const artifact_spec& spec, const load_options&,
                    const std::string&) -> result<std::unique_ptr<const model>> {
    if (spec.path.stem() == "thrown") throw 7;  // NOLINT: what no library should do
    return fail(error_code::conflict, "from the format");
  };
  add_format(made_up);
  for (const auto& [name, code] :
       {std::pair{"told.made-up", error_code::conflict}, {"thrown.made-up", error_code::load_failed}}) {
    write_file(scratch_.path() / name, "something");
    EXPECT_EQ(load(spec_of(scratch_.path() / name), {}).error().code, code);
  }
}

}  // namespace
}  // namespace troupe::inference::tests
