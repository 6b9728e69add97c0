#include "inference/encoders/activation.hpp"

#include <map>

namespace troupe::inference {
namespace {

// As transformers names them (activations.py). quick_gelu and others are other functions.
const std::map<std::string_view, head_activation>& known() {
  static const std::map<std::string_view, head_activation> all{{"gelu", head_activation::gelu},
                                                               {"gelu_python", head_activation::gelu},
                                                               {"gelu_new", head_activation::gelu_tanh},
                                                               {"gelu_pytorch_tanh", head_activation::gelu_tanh},
                                                               {"gelu_python_tanh", head_activation::gelu_tanh},
                                                               {"gelu_fast", head_activation::gelu_tanh},
                                                               {"gelu_accurate", head_activation::gelu_tanh},
                                                               {"relu", head_activation::relu},
                                                               {"silu", head_activation::silu},
                                                               {"swish", head_activation::silu},
                                                               {"tanh", head_activation::tanh}};
  return all;
}

constexpr const char* within_layers = "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu";

}  // namespace

result<head_activation> read_head_activation(const model_json& config, const char* key, head_activation otherwise) {
  const auto value = member(config.root(), key);
  if (!value) return otherwise;
  std::string_view name;
  if (value->get(name)) return config.problem({key}, "must be a string");
  const auto found = known().find(name);
  if (found == known().end())
    return config.problem({key}, "is '" + std::string(name.substr(0, 60)) + "', which is not supported",
                          std::string(within_layers) + ", tanh");
  return found->second;
}

result<activation> read_activation(const model_json& config, const char* key, activation otherwise) {
  const auto read = read_head_activation(config, key, for_head(otherwise));
  if (!read) return tl::unexpected(read.error());
  switch (*read) {
    case head_activation::gelu: return activation::gelu;
    case head_activation::gelu_tanh: return activation::gelu_tanh;
    case head_activation::relu: return activation::relu;
    case head_activation::silu: return activation::silu;
    case head_activation::tanh: break;
  }
  return config.problem({key}, "is 'tanh', which is not supported", within_layers);
}

head_activation for_head(activation a) noexcept {
  switch (a) {
    case activation::gelu: return head_activation::gelu;
    case activation::gelu_tanh: return head_activation::gelu_tanh;
    case activation::relu: return head_activation::relu;
    case activation::silu: return head_activation::silu;
  }
  return head_activation::gelu;
}

}  // namespace troupe::inference
