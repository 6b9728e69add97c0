#pragma once
// Nested number arrays to tensors. Pure.

#include <simdjson.h>

#include <string>
#include <vector>

#include "config/error.hpp"
#include "inference/model/tensor.hpp"

namespace troupe::http {

// `where` names the value in messages ("inputs"). Errors are unprocessable: ragged, empty, more than eight
// dimensions, not a number, or a number that the type cannot hold.
result<inference::tensor> read_tensor(simdjson::dom::element value, inference::dtype type,
                                      const std::string& where);

// The tensors along the first dimension.
std::vector<inference::tensor> split_first_dimension(const inference::tensor& t);

}  // namespace troupe::http
