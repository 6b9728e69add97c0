#include "inference/tasks/torch_activation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

namespace troupe::inference {
namespace {

double softplus(double x) noexcept { return x > 20 ? x : std::log1p(std::exp(x)); }

// With the arguments that the classes have by default.
constexpr std::array<std::pair<std::string_view, scalar_function>, 15> known{{
    {"Identity", identity},
    {"Sigmoid", sigmoid},
    {"Tanh", [](double x) noexcept { return std::tanh(x); }},
    {"ReLU", [](double x) noexcept { return x < 0 ? 0 : x; }},
    {"GELU", [](double x) noexcept { return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2)); }},
    {"SiLU", [](double x) noexcept { return x * sigmoid(x); }},
    {"LeakyReLU", [](double x) noexcept { return x < 0 ? 0.01 * x : x; }},
    {"ELU", [](double x) noexcept { return x < 0 ? std::expm1(x) : x; }},
    {"SELU",
     [](double x) noexcept {
       return 1.0507009873554804934193349852946 * (x < 0 ? 1.6732632423543772848170429916717 * std::expm1(x) : x);
     }},
    {"ReLU6", [](double x) noexcept { return x < 0   ? 0
                                             : x > 6 ? 6
                                                     : x; }},
    {"Hardtanh", [](double x) noexcept { return x < -1  ? -1
                                                : x > 1 ? 1
                                                        : x; }},
    {"Softplus", softplus},
    {"Softsign", [](double x) noexcept { return x / (1 + std::abs(x)); }},
    {"Mish", [](double x) noexcept { return x * std::tanh(softplus(x)); }},
    {"LogSigmoid", [](double x) noexcept { return -softplus(-x); }},
}};

}  // namespace

double identity(double x) noexcept { return x; }
double sigmoid(double x) noexcept { return 1 / (1 + std::exp(-x)); }

bool is_torch_class(std::string_view python_class) noexcept { return python_class.starts_with("torch."); }

result<scalar_function> torch_activation(std::string_view python_class) {
  const auto name = python_class.substr(python_class.rfind('.') + 1);
  if (python_class.starts_with("torch.nn."))
    for (const auto& [one, function] : known)
      if (one == name) return function;
  std::string all;
  for (const auto& [one, function] : known) all.append(all.empty() ? "" : ", ").append(one);
  return fail(error_code::unprocessable,
              "the activation '" + std::string(python_class.substr(0, 100)) + "' is not supported",
              "of torch.nn: " + all);
}

}  // namespace troupe::inference
