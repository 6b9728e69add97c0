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
result<inference::tensor> read_tensor(simdjson::dom::element value, inference::dtype type, const std::string& where);

// The same of an object {"data", "shape", "datatype"}: data nested, or flat beside a shape; the last two may be left
// out. A datatype is named as PyTorch does ("float32"), or as the V2 protocol ("FP32").
result<inference::tensor> read_described_tensor(simdjson::dom::object value, inference::dtype type,
                                                const std::string& where);

// The tensors along the first dimension.
std::vector<inference::tensor> split_first_dimension(const inference::tensor& t);

}  // namespace troupe::http
