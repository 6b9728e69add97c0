#pragma once
// config.json of the BERT family, and the layout of weights that follows from it.

#include <cstdint>

#include "inference/encoders/activation.hpp"
#include "inference/encoders/encoder.hpp"

namespace troupe::inference {

struct bert_settings : encoder_shape {
  bool distil = false;
  std::int64_t inner_size = 0;
  double norm_epsilon = 1e-12;
  activation act = activation::gelu;
};

// The plan's tensors by position: the order in which they are used.
struct bert_places {
  static constexpr std::size_t words = 0, positions = 1, norm_weight = 2, norm_bias = 3, first_layer = 4;
  static constexpr std::size_t qkv_weight = 0, qkv_bias = 1, out_weight = 2, out_bias = 3, norm1_weight = 4,
                               norm1_bias = 5, up_weight = 6, up_bias = 7, down_weight = 8, down_bias = 9,
                               norm2_weight = 10, norm2_bias = 11, per_layer = 12;
  // After the layers. Token types are there only where the checkpoint has more than one.
  static constexpr std::size_t pool_weight = 0, pool_bias = 1, head_weight = 2, head_bias = 3, token_types = 4;
  static constexpr std::int64_t token_types_max = 255;
};

// Rows of the table of architectures.
architecture bert_for_sequence_classification();
architecture distilbert_for_sequence_classification();

}  // namespace troupe::inference
