#include "inference/encoders/bert_config.hpp"

#include <algorithm>

#include "inference/encoders/bert_network.hpp"

namespace troupe::inference {
namespace {

struct number_field {
  const char* name;         // BERT's
  const char* distil_name;  // DistilBERT's
  std::int64_t otherwise;   // transformers' default
  std::int64_t max;
  std::int64_t bert_settings::*member;
};
constexpr number_field number_fields[] = {
    {"vocab_size", "vocab_size", 30522, 16 << 20, &bert_settings::vocab_size},
    {"hidden_size", "dim", 768, 1 << 16, &bert_settings::hidden_size},
    {"num_hidden_layers", "n_layers", 12, 1000, &bert_settings::layers},
    {"num_attention_heads", "n_heads", 12, 1 << 12, &bert_settings::heads},
    {"intermediate_size", "hidden_dim", 3072, 1 << 20, &bert_settings::inner_size},
    {"max_position_embeddings", "max_position_embeddings", 512, 1 << 20, &bert_settings::positions},
};

result<void> read_numbers(const model_json& json, bert_settings& c) {
  for (const auto& f : number_fields) {
    const std::string name = c.distil ? f.distil_name : f.name;
    c.*f.member = f.otherwise;
    const auto value = member(json.root(), name);
    if (!value) continue;
    std::int64_t number = 0;
    if (value->get(number) || number < 1 || number > f.max)
      return json.problem({name}, "must be a whole number from 1 to " + std::to_string(f.max));
    c.*f.member = number;
  }
  if (c.hidden_size % c.heads != 0)
    return json.problem({c.distil ? "n_heads" : "num_attention_heads"},
                        "does not fit: the hidden size must be a multiple of the number of heads");
  if (const auto given = member(json.root(), "layer_norm_eps"); !c.distil && given) {
    double epsilon = 0;
    if (given->get(epsilon)) return json.problem({"layer_norm_eps"}, "must be a number");
    if (!(epsilon > 0 && epsilon < 1)) return json.problem({"layer_norm_eps"}, "must lie between 0 and 1");
    c.norm_epsilon = epsilon;
  }
  return {};
}

result<bert_settings> read_bert(const model_json& json, bool distil) {
  bert_settings c;
  c.distil = distil;
  if (const auto positions = text_of(json.root(), "position_embedding_type", "absolute"); positions != "absolute")
    return json.problem({"position_embedding_type"}, "is '" + positions.substr(0, 60) + "', which is not supported",
                        "absolute");
  if (flag_of(json.root(), "is_decoder", false))
    return json.problem({"is_decoder"}, "is true: a decoder cannot be served as a classifier");
  if (auto ok = read_numbers(json, c); !ok) return tl::unexpected(ok.error());
  const auto act = read_activation(json, distil ? "activation" : "hidden_act");
  if (!act) return tl::unexpected(act.error());
  c.act = *act;
  return c;
}

// Finds a tensor under the names that checkpoints have used for it.
class name_finder {
 public:
  name_finder(const checkpoint& source, std::string prefix) : source_(source) {
    if (source_.find(prefix + "embeddings.word_embeddings.weight").tensor != nullptr) prefix_ = std::move(prefix);
  }
  std::string operator()(const std::string& name) const {
    auto full = prefix_ + name;
    if (source_.find(full).tensor != nullptr) return full;
    for (const auto& [modern, old] :
         {std::pair{"LayerNorm.weight", "LayerNorm.gamma"}, std::pair{"LayerNorm.bias", "LayerNorm.beta"}})
      if (full.ends_with(modern)) {
        auto legacy = full.substr(0, full.size() - std::string_view(modern).size()) + old;
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

result<weight_plan> plan_bert(const bert_settings& c, const checkpoint& source) {
  weight_plan plan;
  auto& out = plan.tensors;
  const name_finder find(source, c.distil ? "distilbert." : "bert.");
  const auto h = c.hidden_size, inner = c.inner_size;

  const auto head = source.find("classifier.weight");
  if (head.tensor == nullptr || head.tensor->shape.size() != 2 || head.tensor->shape[0] < 1)
    return fail(error_code::unprocessable, "the checkpoint lacks tensor 'classifier.weight', a matrix",
                "a checkpoint of a sequence classifier");
  plan.logits = head.tensor->shape[0];

  out.push_back({"words", {c.vocab_size, h}, false, {find("embeddings.word_embeddings.weight")}, {}});
  // A lone text has one token type, 0: its embedding is the same for every token, so it is added to the positions.
  const auto types = c.distil ? std::string{} : find("embeddings.token_type_embeddings.weight");
  out.push_back({"positions", {c.positions, h}, false, {find("embeddings.position_embeddings.weight")}, types});
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
              c.distil ? "pre_classifier" : pooler.substr(0, pooler.size() - std::string_view(".weight").size()));
  head_linear("head", plan.logits, "classifier");

  // What a pair's second text needs beside it.
  if (!c.distil) {
    plan.token_types = 1;
    const auto* all = source.find(types).tensor;
    if (all != nullptr && all->shape.size() == 2 && all->shape[0] > 1 &&
        all->shape[0] <= bert_places::token_types_max) {
      plan.token_types = all->shape[0];
      out.push_back({"token_types", {plan.token_types, h}, true, {types}, {}});
    }
  }

  // Before the shapes are multiplied: the head's is the file's own.
  if (auto ok = check_plan(out, source); !ok) return tl::unexpected(ok.error());
  for (const auto& t : out) {
    std::int64_t n = 1;
    for (const auto d : t.shape) n *= d;
    plan.parameters += n;
  }
  return plan;
}

class bert_classifier_config final : public encoder_config {
 public:
  explicit bert_classifier_config(bert_settings settings) : settings_(settings) {}
  const encoder_shape& shape() const noexcept override { return settings_; }
  bool gives(network_output what) const noexcept override { return what == network_output::logits; }
  result<weight_plan> plan(const checkpoint& source) const override { return plan_bert(settings_, source); }
  std::shared_ptr<const encoder> make(loaded_weights weights, const std::string& device) const override {
    return make_bert_network(settings_, std::move(weights), device);
  }

 private:
  bert_settings settings_;
};

template <bool distil>
result<std::unique_ptr<const encoder_config>> read_classifier(const model_json& config) {
  auto settings = read_bert(config, distil);
  if (!settings) return tl::unexpected(settings.error());
  return std::make_unique<const bert_classifier_config>(*settings);
}

}  // namespace

architecture bert_for_sequence_classification() {
  return {"BertForSequenceClassification", "bert", {task::text_classification}, read_classifier<false>};
}
architecture distilbert_for_sequence_classification() {
  return {"DistilBertForSequenceClassification", "distilbert", {task::text_classification}, read_classifier<true>};
}

}  // namespace troupe::inference
