#pragma once
// The network of modernbert.hpp. For our Torch code, but for the settings.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "inference/encoders/activation.hpp"
#include "inference/encoders/family.hpp"

namespace troupe::inference {

struct modernbert_settings : encoder_shape {
  std::int64_t inner_size = 0;
  double norm_epsilon = 1e-5;
  activation act = activation::gelu;
  bool norm_bias = false, attention_bias = false, mlp_bias = false;
  std::vector<bool> local;  // of each layer: it attends to the neighbourhood alone
  std::int64_t reach = 0;   // which is so many tokens before and behind
  double global_theta = 0, local_theta = 0;

  // Layers that are local attend to all of a row that is no longer than this.
  bool reaches_everything() const noexcept { return reach + 1 >= positions; }
};

// Kept beside the weights, at most.
std::uint64_t modernbert_private_bytes(const modernbert_settings& settings);

// `weights`: "words", "norm", "final_norm", and of each layer "layer.<i>." "attention_norm" (not the first), "qkv",
// "out", "mlp_norm", "up" (what the activation is applied to above what it is multiplied with), "down".
std::unique_ptr<const encoder_body> make_modernbert_body(const modernbert_settings& settings,
                                                         const named_weights& weights, const std::string& device);

}  // namespace troupe::inference
