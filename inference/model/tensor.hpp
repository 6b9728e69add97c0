#pragma once
// Tensors as everybody outside LibTorch's code knows them.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "config/dtype.hpp"

namespace troupe::inference {

using config::dtype;
using config::parse_dtype;
using config::parse_stored_name;
using config::size_of;
using config::stored_name;
using config::to_string;

// A dense host tensor, contiguous and row-major. Owns its bytes.
// INVARIANT of what models are given: data.size() is the product of `shape` times size_of(type).
struct tensor {
  dtype type = dtype::f32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;
};

struct tensor_spec {  // an input or output of a tensor model; -1 is any size; no batch dimension
  std::string name;
  dtype type = dtype::f32;
  std::vector<std::int64_t> shape;
};

}  // namespace troupe::inference
