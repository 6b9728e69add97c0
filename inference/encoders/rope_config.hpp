#pragma once
// What config.json says of rotary positions (rotary.hpp), in the forms that transformers has written: rope_theta beside
// rope_scaling, and since version 5 rope_parameters, for all layers or for each kind of them.

#include <string_view>

#include "inference/encoders/encoder.hpp"

namespace troupe::inference {

// Kinds of layers, as layer_types and rope_parameters name them.
inline constexpr std::string_view full_attention = "full_attention", sliding_attention = "sliding_attention";

// The base of the angles. unprocessable: no number above 0, or a kind of rotary positions other than "default".
result<double> read_theta(const model_json& config, double otherwise);

struct layered_theta {
  double full = 0, sliding = 0;
};
// ModernBERT's: one each for the kinds of layers, global_rope_theta and local_rope_theta in older files.
result<layered_theta> read_layered_theta(const model_json& config, double full_otherwise, double sliding_otherwise);

// unprocessable: heads that do not divide the hidden size, or are of an odd width, or of another (head_dim).
result<void> check_rotary_heads(const model_json& config, const encoder_shape& shape);

}  // namespace troupe::inference
