#pragma once
// The heads of transformers' encoders are one shape: [linear, activation] -> [norm] -> linear, over some of the
// network's states. A family says which (family.hpp); head.hpp computes it.

#include <cstdint>
#include <string>

#include "inference/encoders/activation.hpp"
#include "inference/encoders/plan_writer.hpp"

namespace troupe::inference {

struct head_recipe {
  // Which states it looks at.
  enum class input : std::uint8_t {
    first,   // each row's first token
    mean,    // the mean of each row's tokens
    tokens,  // every token
  };
  input of = input::tokens;

  // Names are the checkpoint's; empty: it has no such part.
  std::string dense;
  std::int64_t dense_rows = 0;  // 0: hidden_size
  bool dense_bias = true;
  head_activation act = head_activation::gelu;  // after dense
  std::string norm;
  double norm_epsilon = 1e-12;
  bool norm_bias = true;
  std::string out;       // of the last linear
  std::string out_bias;  // a tensor's name, where it is not out + ".bias"
  bool has_out_bias = true;
  // The last linear's weight is the word embedding, [vocab_size, dense_rows], unless config.json unties them or the
  // checkpoint holds another (transformers 5 keeps both then). It computes in the model's precision; other heads are
  // small and their error is the answer's: they stay in fp32.
  bool tied = false, whole_vocabulary = false;
  std::string words = "embeddings.word_embeddings";  // of the network

  // Writes its weights, as "head.dense", "head.norm", "head.out"; sets plan().logits. unprocessable: no last linear.
  result<void> plan(plan_writer& out, const encoder_shape& shape) const;
};

}  // namespace troupe::inference
