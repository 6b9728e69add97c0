#pragma once
// The activations that configurations name.

#include <optional>
#include <string_view>

#include "inference/files/model_json.hpp"

namespace troupe::inference {

// Within a network's layers.
enum class activation { gelu, gelu_tanh, relu, silu };
// After the linear of a head.
enum class head_activation { gelu, gelu_tanh, relu, silu, tanh };

// Of `key` in config.json; `otherwise` where it is missing. unprocessable: one that is not known.
result<activation> read_activation(const model_json& config, const char* key, activation otherwise = activation::gelu);
result<head_activation> read_head_activation(const model_json& config, const char* key,
                                             head_activation otherwise = head_activation::gelu);
head_activation for_head(activation a) noexcept;

}  // namespace troupe::inference
