#include "inference/encoders/bert_config.hpp"

#include <charconv>
#include <map>

#include "inference/files/model_json.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;
constexpr std::uint64_t config_bytes_max = 4U << 20U;

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

result<void> read_numbers(const model_json& json, bert_config& c) {
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
    if (!(epsilon > 0 && epsilon < 1))
      return json.problem({"layer_norm_eps"}, "must lie between 0 and 1");
    c.norm_epsilon = epsilon;
  }
  return {};
}

result<void> read_activation(const model_json& json, bert_config& c) {
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
  const auto value = member(json.root(), key);
  if (value && value->get(name)) return json.problem({key}, "must be a string");
  const auto found = known.find(name);
  if (found == known.end())
    return json.problem({key}, "is '" + std::string(name.substr(0, 60)) + "', which is not supported",
                        "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu");
  c.act = found->second;
  return {};
}

// A label as Python writes it into a text: a number is a name as good as another.
// `written`: the value as the file has it.
result<std::string> label_text(const model_json& json, const std::string& key, dom::element value,
                               std::string_view written) {
  std::string_view text;
  if (!value.get(text)) return std::string(text);
  if (value.is_number()) return std::string(written);
  bool flag = false;
  if (!value.get(flag)) return std::string(flag ? "True" : "False");
  if (value.is_null()) return std::string("None");
  return json.problem({"id2label", key}, "must be a string or a number");
}

result<std::uint64_t> label_number(const model_json& json, const std::string& key) {
  std::uint64_t number = 0;
  const auto* end = key.data() + key.size();
  const auto read = std::from_chars(key.data(), end, number);
  if (read.ec != std::errc{} || read.ptr != end || number > INT32_MAX)
    return json.problem({"id2label", key}, "has a key that is no label number");
  return number;
}

// A num_labels that differs from the names wins over them, as in transformers.
result<bool> names_are_dropped(const model_json& json, std::size_t names, std::size_t labels_max, bert_config& c) {
  const auto given = member(json.root(), "num_labels");
  if (!given) return false;
  std::uint64_t count = 0;
  if (given->get(count) || count < 1 || count > labels_max)
    return json.problem({"num_labels"}, "must be a whole number from 1 to " + std::to_string(labels_max));
  if (count == names) return false;
  c.notes += (c.notes.empty() ? "" : "; ") + ("the " + std::to_string(names)) +
             " names of id2label are not used: num_labels is " + std::to_string(count) + ", as in transformers";
  for (std::uint64_t i = 0; i < count; ++i) c.labels.push_back("LABEL_" + std::to_string(i));
  c.labels_place = json.place({"num_labels"}) + ": 'num_labels'";
  return true;
}

result<std::vector<std::string>> labels_of(const model_json& json, bert_config& c) {
  constexpr std::size_t labels_max = 100'000;
  std::map<std::uint64_t, std::string> by_number;
  const char* source = "id2label";
  dom::object names;
  if (const auto given = member(json.root(), source)) {
    if (given->get(names)) return json.problem({source}, "must be an object: label numbers to names");
    if (names.size() > labels_max) return json.problem({source}, "has more than 100000 labels");
    const auto written = json.members_written({source});
    for (std::size_t i = 0; const auto [key, value] : names) {
      const std::string name(key);
      const auto number = label_number(json, name);
      if (!number) return tl::unexpected(number.error());
      auto text = label_text(json, name, value, written.at(i++));
      if (!text) return tl::unexpected(text.error());
      by_number.insert_or_assign(*number, std::move(*text));
    }
    const auto dropped = names_are_dropped(json, by_number.size(), labels_max, c);
    if (!dropped) return tl::unexpected(dropped.error());
    if (*dropped) return std::move(c.labels);
  } else if (const auto reverse = member(json.root(), "label2id")) {
    source = "label2id";
    if (reverse->get(names)) return json.problem({source}, "must be an object: label names to numbers");
    if (names.size() > labels_max) return json.problem({source}, "has more than 100000 labels");
    for (const auto [key, value] : names) {
      std::uint64_t number = 0;
      if (value.get(number)) return json.problem({source, std::string(key)}, "must be a label number");
      by_number.insert_or_assign(number, std::string(key));
    }
  }
  c.labels_place = json.place({source}) + ": '" + source + '\'';
  std::vector<std::string> labels;
  for (auto& [number, name] : by_number) {
    if (number != labels.size())
      return json.problem({source},
                          "must number its labels from 0 without gaps: " + std::to_string(labels.size()) +
                              " has no name",
                          "a name for each number, or 'labels' in the registry");
    labels.push_back(std::move(name));
  }
  return labels;
}

result<void> read_scoring(const model_json& json, bert_config& c) {
  std::string_view type;
  const auto given = member(json.root(), "problem_type");
  if (!given) return {};
  if (given->get(type)) return json.problem({"problem_type"}, "must be a string");
  if (type == "multi_label_classification")
    c.score = scoring::sigmoid;
  else if (type == "regression")
    c.score = scoring::none;
  else if (type != "single_label_classification")
    return json.problem({"problem_type"},
                        "is '" + std::string(type.substr(0, 60)) + "', which is not supported",
                        "single_label_classification, multi_label_classification, regression");
  return {};
}

constexpr const char* bert_class = "BertForSequenceClassification";
constexpr const char* distil_class = "DistilBertForSequenceClassification";

// Some files leave 'architectures' out: then 'model_type' tells the family, and labels tell the head.
result<void> architecture_from_type(const model_json& json, bool told_to_classify, bert_config& c) {
  const auto type = text_of(json.root(), "model_type");
  const auto of_type = type == "bert" ? bert_class : type == "distilbert" ? distil_class : nullptr;
  if (of_type == nullptr)
    return json.problem({"architectures"},
                        type.empty() ? "must name the model's class"
                                     : "is missing, and the model_type '" + type.substr(0, 60) +
                                           "' is not supported",
                        std::string(bert_class) + ", " + distil_class);
  bool classifies = told_to_classify;
  for (const char* key : {"id2label", "label2id", "num_labels", "problem_type"})
    classifies = classifies || member(json.root(), key).has_value();
  if (!classifies)
    return json.problem({"architectures"}, "is missing, and nothing says that this is a classifier",
                        "'architectures', 'id2label', or 'labels' or 'task' in the registry");
  c.architecture = of_type;
  c.notes = "config.json names no architecture: served as " + c.architecture + ", by its model_type '" +
            type + "'";
  return {};
}

result<void> read_architecture(const model_json& json, bool told_to_classify, bert_config& c) {
  const auto given = member(json.root(), "architectures");
  dom::array names;
  std::string_view name;
  if (given && given->get(names))
    return json.problem({"architectures"}, "must be a list with the model's class", bert_class);
  if (!given || names.size() == 0) {
    if (auto ok = architecture_from_type(json, told_to_classify, c); !ok) return ok;
    name = c.architecture;
  } else if (names.at(0).get(name)) {
    return json.problem({"architectures", std::size_t{0}}, "must be a string", bert_class);
  }
  c.architecture = name;
  c.distil = name == distil_class;
  if (!c.distil && name != bert_class)
    return json.problem({"architectures"},
                        "names '" + c.architecture.substr(0, 100) + "', which is not supported",
                        name.starts_with("Roberta")
                            ? "RoBERTa needs a byte-level BPE tokenizer, which is not implemented"
                            : std::string(bert_class) + ", " + distil_class);
  return {};
}

}  // namespace

result<bert_config> read_bert_config(const fs::path& folder, bool told_to_classify) {
  auto json = model_json::read(folder / "config.json", config_bytes_max);
  if (!json) return tl::unexpected(json.error());
  bert_config c;
  if (auto ok = read_architecture(*json, told_to_classify, c); !ok) return tl::unexpected(ok.error());
  if (const auto positions = text_of(json->root(), "position_embedding_type", "absolute");
      positions != "absolute")
    return json->problem({"position_embedding_type"},
                         "is '" + positions.substr(0, 60) + "', which is not supported", "absolute");
  if (flag_of(json->root(), "is_decoder", false))
    return json->problem({"is_decoder"}, "is true: a decoder cannot be served as a classifier");
  for (const auto read : {read_numbers, read_activation, read_scoring})
    if (auto ok = read(*json, c); !ok) return tl::unexpected(ok.error());
  if (auto labels = labels_of(*json, c); labels)
    c.labels = std::move(*labels);
  else
    c.labels_problem = labels.error();
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

  // Before the shapes are multiplied: the head's is the file's own.
  if (auto ok = check_plan(out, source); !ok) return tl::unexpected(ok.error());
  for (const auto& t : out) {
    std::int64_t n = 1;
    for (const auto d : t.shape) n *= d;
    plan.parameters += n;
  }
  return plan;
}

}  // namespace troupe::inference
