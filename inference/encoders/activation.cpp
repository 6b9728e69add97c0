#include "inference/encoders/activation.hpp"

#include <map>

namespace troupe::inference {

result<activation> read_activation(const model_json& config, const char* key) {
  static const std::map<std::string_view, activation> known{{"gelu", activation::gelu},
                                                            {"gelu_new", activation::gelu_tanh},
                                                            {"gelu_pytorch_tanh", activation::gelu_tanh},
                                                            {"gelu_fast", activation::gelu_tanh},
                                                            {"relu", activation::relu},
                                                            {"silu", activation::silu},
                                                            {"swish", activation::silu}};
  std::string_view name = "gelu";
  const auto value = member(config.root(), key);
  if (value && value->get(name)) return config.problem({key}, "must be a string");
  const auto found = known.find(name);
  if (found == known.end())
    return config.problem({key}, "is '" + std::string(name.substr(0, 60)) + "', which is not supported",
                          "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu");
  return found->second;
}

}  // namespace troupe::inference
