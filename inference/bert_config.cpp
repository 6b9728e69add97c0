#include "inference/bert_config.hpp"

#include <map>

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;
constexpr std::uint64_t config_bytes_max = 4U << 20U;

tl::unexpected<error> wrong(const std::string& what, std::string detail = {}) {
  return fail(error_code::unprocessable, "config.json: " + what, std::move(detail));
}

struct number_field {
  const char* name;         // BERT's
  const char* distil_name;  // DistilBERT's
  std::int64_t otherwise;   // transformers' default
  std::int64_t max;
  std::int64_t bert_config::* member;
};
constexpr number_field number_fields[] = {
    {"vocab_size", "vocab_size", 30522, 16 << 20, &bert_config::vocab_size},
    {"hidden_size", "dim", 768, 1 << 16, &bert_config::hidden_size},
    {"num_hidden_layers", "n_layers", 12, 1000, &bert_config::layers},
    {"num_attention_heads", "n_heads", 12, 1 << 12, &bert_config::heads},
    {"intermediate_size", "hidden_dim", 3072, 1 << 20, &bert_config::inner_size},
    {"max_position_embeddings", "max_position_embeddings", 512, 1 << 20, &bert_config::positions},
};

result<void> read_numbers(dom::element root, bert_config& c) {
  for (const auto& f : number_fields) {
    const std::string name = c.distil ? f.distil_name : f.name;
    c.*f.member = f.otherwise;
    dom::element value;
    if (root[name].get(value)) continue;
    std::int64_t number = 0;
    if (value.get(number) || number < 1 || number > f.max)
      return wrong("'" + name + "' must be a whole number from 1 to " + std::to_string(f.max));
    c.*f.member = number;
  }
  if (c.hidden_size % c.heads != 0)
    return wrong("the hidden size must be a multiple of the number of heads");
  if (const auto given = root["layer_norm_eps"]; !c.distil && !given.error() && !given.is_null()) {
    double epsilon = 0;
    if (given.get(epsilon)) return wrong("'layer_norm_eps' must be a number");
    if (!(epsilon > 0 && epsilon < 1)) return wrong("'layer_norm_eps' must lie between 0 and 1");
    c.norm_epsilon = epsilon;
  }
  return {};
}

result<void> read_activation(dom::element root, bert_config& c) {
  static const std::map<std::string_view, activation> known{
      {"gelu", activation::gelu},
      {"gelu_new", activation::gelu_tanh},
      {"gelu_pytorch_tanh", activation::gelu_tanh},
      {"gelu_fast", activation::gelu_tanh},
      {"relu", activation::relu},
      {"silu", activation::silu},
      {"swish", activation::silu}};
  const char* key = c.distil ? "activation" : "hidden_act";
  std::string_view name = "gelu";
  dom::element value;
  if (!root[key].get(value) && value.get(name))
    return wrong(std::string("'") + key + "' must be a string");
  const auto found = known.find(name);
  if (found == known.end())
    return wrong("the activation '" + std::string(name) + "' is not supported",
                 "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu");
  c.act = found->second;
  return {};
}

result<void> read_labels(dom::element root, bert_config& c) {
  dom::object names;
  std::map<std::uint64_t, std::string> by_number;
  if (!root["id2label"].get(names)) {
    if (names.size() > 100'000) return wrong("'id2label' has more than 100000 labels");
    for (const auto [key, value] : names) {
      std::string_view text;
      if (key.empty() || key.size() > 9 || key.find_first_not_of("0123456789") != key.npos ||
          value.get(text))
        return wrong("'id2label' must map numbers to strings");
      by_number.emplace(std::stoull(std::string(key)), text);
    }
  } else if (!root["label2id"].get(names)) {
    for (const auto [key, value] : names) {
      std::uint64_t id = 0;
      if (value.get(id)) return wrong("'label2id' must map strings to numbers");
      by_number.emplace(id, key);
    }
  }
  for (auto& [number, name] : by_number) {
    if (number != c.labels.size()) return wrong("the label numbers must run from 0 without gaps");
    c.labels.push_back(std::move(name));
  }
  return {};
}

result<void> read_scoring(dom::element root, bert_config& c) {
  std::string_view type;
  if (root["problem_type"].get(type)) return {};  // absent or null
  if (type == "multi_label_classification")
    c.score = scoring::sigmoid;
  else if (type == "regression")
    c.score = scoring::none;
  else if (type != "single_label_classification")
    return wrong("the problem_type '" + std::string(type) + "' is not supported");
  return {};
}

}  // namespace

result<bert_config> read_bert_config(const fs::path& folder) {
  json_document document;
  if (auto ok = read_json_object(folder / "config.json", config_bytes_max, document); !ok)
    return tl::unexpected(ok.error());
  const auto root = document.root;
  bert_config c;
  dom::array architectures;
  std::string_view name;
  if (root["architectures"].get(architectures) || architectures.size() == 0 ||
      architectures.at(0).get(name))
    return wrong("'architectures' must name the model's class", "BertForSequenceClassification");
  c.architecture = name;
  if (name == "DistilBertForSequenceClassification")
    c.distil = true;
  else if (name != "BertForSequenceClassification")
    return wrong("the architecture '" + c.architecture.substr(0, 100) + "' is not supported",
                 name.starts_with("Roberta")
                     ? "RoBERTa needs a byte-level BPE tokenizer, which is not implemented"
                     : "BertForSequenceClassification, DistilBertForSequenceClassification");
  std::string_view positions;
  if (!root["position_embedding_type"].get(positions) && positions != "absolute")
    return wrong(
        "the position_embedding_type '" + std::string(positions.substr(0, 60)) + "' is not supported",
        "absolute");
  bool decoder = false;
  if (!root["is_decoder"].get(decoder) && decoder)
    return wrong("a decoder cannot be served as a classifier");
  for (const auto read : {read_numbers, read_activation, read_labels, read_scoring})
    if (auto ok = read(root, c); !ok) return tl::unexpected(ok.error());
  return c;
}

namespace {

// Finds a tensor under the names that checkpoints have used for it.
class name_finder {
 public:
  name_finder(const checkpoint& source, std::string prefix) : source_(source) {
    if (source_.find(prefix + "embeddings.word_embeddings.weight").tensor != nullptr)
      prefix_ = std::move(prefix);
  }
  std::string operator()(const std::string& name) const {
    const auto full = prefix_ + name;
    if (source_.find(full).tensor != nullptr) return full;
    for (const auto& [modern, old] : {std::pair{"LayerNorm.weight", "LayerNorm.gamma"},
                                      std::pair{"LayerNorm.bias", "LayerNorm.beta"}})
      if (full.ends_with(modern)) {
        const auto legacy = full.substr(0, full.size() - std::string_view(modern).size()) + old;
        if (source_.find(legacy).tensor != nullptr) return legacy;
      }
    return full;  // the check of the plan tells that it is missing
  }

 private:
  const checkpoint& source_;
  std::string prefix_;
};

struct layer_names {
  std::string base, q, k, v, out, norm1, up, down, norm2;
};
layer_names names_of(bool distil, std::int64_t i) {
  const auto n = std::to_string(i);
  if (distil)
    return {"transformer.layer." + n + ".",
            "attention.q_lin",
            "attention.k_lin",
            "attention.v_lin",
            "attention.out_lin",
            "sa_layer_norm",
            "ffn.lin1",
            "ffn.lin2",
            "output_layer_norm"};
  return {"encoder.layer." + n + ".", "attention.self.query",   "attention.self.key",
          "attention.self.value",     "attention.output.dense", "attention.output.LayerNorm",
          "intermediate.dense",       "output.dense",           "output.LayerNorm"};
}

}  // namespace

result<bert_plan> plan_bert(const bert_config& c, const checkpoint& source) {
  bert_plan plan;
  auto& out = plan.tensors;
  const name_finder find(source, c.distil ? "distilbert." : "bert.");
  const auto h = c.hidden_size, inner = c.inner_size;

  const auto head = source.find("classifier.weight");
  if (head.tensor == nullptr || head.tensor->shape.size() != 2 || head.tensor->shape[0] < 1)
    return fail(error_code::unprocessable, "the checkpoint lacks tensor 'classifier.weight', a matrix",
                "a checkpoint of a sequence classifier");
  plan.labels = head.tensor->shape[0];

  out.push_back({"words", {c.vocab_size, h}, false, {find("embeddings.word_embeddings.weight")}, {}});
  // One text has one segment, 0: its embedding is the same for every token, so it is added to the
  // positions.
  out.push_back({"positions",
                 {c.positions, h},
                 false,
                 {find("embeddings.position_embeddings.weight")},
                 c.distil ? std::string{} : find("embeddings.token_type_embeddings.weight")});
  const auto norm = [&](const std::string& name, const std::string& from) {
    out.push_back({name + ".weight", {h}, false, {find(from + ".weight")}, {}});
    out.push_back({name + ".bias", {h}, false, {find(from + ".bias")}, {}});
  };
  const auto linear = [&](const std::string& name, std::int64_t rows, std::int64_t columns,
                          const std::vector<std::string>& from) {
    std::vector<std::string> weights, biases;
    for (const auto& f : from) {
      weights.push_back(find(f + ".weight"));
      biases.push_back(find(f + ".bias"));
    }
    out.push_back({name + ".weight", {rows, columns}, false, std::move(weights), {}});
    out.push_back({name + ".bias", {rows}, false, std::move(biases), {}});
  };
  norm("norm", "embeddings.LayerNorm");
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const auto n = names_of(c.distil, i);
    const auto name = "layer." + std::to_string(i) + ".";
    linear(name + "qkv", 3 * h, h, {n.base + n.q, n.base + n.k, n.base + n.v});
    linear(name + "out", h, h, {n.base + n.out});
    norm(name + "norm1", n.base + n.norm1);
    linear(name + "up", inner, h, {n.base + n.up});
    linear(name + "down", h, inner, {n.base + n.down});
    norm(name + "norm2", n.base + n.norm2);
  }
  // The head is small and its error is the answer's: it stays in fp32.
  const auto head_linear = [&](const std::string& name, std::int64_t rows, const std::string& from) {
    out.push_back({name + ".weight", {rows, h}, true, {from + ".weight"}, {}});
    out.push_back({name + ".bias", {rows}, true, {from + ".bias"}, {}});
  };
  const auto pooler = find("pooler.dense.weight");
  head_linear("pool", h,
              c.distil ? "pre_classifier"
                       : pooler.substr(0, pooler.size() - std::string_view(".weight").size()));
  head_linear("head", plan.labels, "classifier");

  for (const auto& t : out) {
    std::int64_t n = 1;
    for (const auto d : t.shape) n *= d;
    plan.parameters += n;
  }
  if (auto ok = check_plan(out, source); !ok) return tl::unexpected(ok.error());
  return plan;
}

}  // namespace troupe::inference
