#pragma once
// The activations of torch.nn that sentence-transformers' files name by their Python class.

#include <string_view>

#include "config/error.hpp"

namespace troupe::inference {

// Of one number. Any thread.
using scalar_function = double (*)(double) noexcept;

// "torch.nn.modules.activation.Tanh". unprocessable: none of torch's, or one that is not known here.
result<scalar_function> torch_activation(std::string_view python_class);
// Only torch's classes are trusted by sentence-transformers; others stand for their default.
bool is_torch_class(std::string_view python_class) noexcept;

double identity(double x) noexcept;
double sigmoid(double x) noexcept;

}  // namespace troupe::inference
