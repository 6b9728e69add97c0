#pragma once
// config.json of the BERT family, and the layout of weights that follows from it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inference/files/checkpoint.hpp"
#include "inference/files/weights.hpp"

namespace troupe::inference {

enum class activation { gelu, gelu_tanh, relu, silu };
// How logits become probabilities: as the checkpoint's problem_type says.
enum class scoring { softmax, sigmoid, none };

struct bert_config {
  std::string architecture;  // "BertForSequenceClassification", "DistilBertForSequenceClassification"
  bool distil = false;
  std::int64_t vocab_size = 0, hidden_size = 0, layers = 0, heads = 0, inner_size = 0, positions = 0;
  double norm_epsilon = 1e-12;
  activation act = activation::gelu;
  scoring score = scoring::softmax;
  std::vector<std::string> labels;      // empty: config.json names none
  std::string labels_place;             // "config.json:3:5: 'id2label'"
  std::optional<error> labels_problem;  // what is wrong with its names, where they are needed
  std::string notes;                    // what was concluded, not read; empty: nothing
};

// Bounds every number, so that sizes computed from them cannot overflow. `told_to_classify`: the registry says that
// this is a classifier, which counts where config.json does not name its class.
result<bert_config> read_bert_config(const std::filesystem::path& folder, bool told_to_classify = false);

// The recipe for `c`, with the names that this checkpoint uses; also finds the number of labels.
struct bert_plan {
  std::vector<planned_tensor> tensors;
  std::int64_t labels = 0;
  std::int64_t parameters = 0;
};
result<bert_plan> plan_bert(const bert_config& c, const checkpoint& source);

// The plan's tensors by position: the order in which they are used.
struct bert_places {
  static constexpr std::size_t words = 0, positions = 1, norm_weight = 2, norm_bias = 3,
                               first_layer = 4;
  static constexpr std::size_t qkv_weight = 0, qkv_bias = 1, out_weight = 2, out_bias = 3,
                               norm1_weight = 4, norm1_bias = 5, up_weight = 6, up_bias = 7,
                               down_weight = 8, down_bias = 9, norm2_weight = 10, norm2_bias = 11,
                               per_layer = 12;
  static constexpr std::size_t pool_weight = 0, pool_bias = 1, head_weight = 2,
                               head_bias = 3;  // after the layers
};

}  // namespace troupe::inference
