#pragma once
// The activations that configurations name.

#include "inference/files/model_json.hpp"

namespace troupe::inference {

enum class activation { gelu, gelu_tanh, relu, silu };

// Of `key` in config.json; gelu where it is missing. unprocessable: one that is not known.
result<activation> read_activation(const model_json& config, const char* key);

}  // namespace troupe::inference
