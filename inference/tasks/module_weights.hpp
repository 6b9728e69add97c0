#pragma once
// The weights of a small module that has a folder of its own, as floats.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "inference/files/checkpoint.hpp"

namespace troupe::inference {

class module_weights {
 public:
  // load_failed, unprocessable: no weights, or broken ones.
  static result<module_weights> open(const std::filesystem::path& folder);

  // unprocessable: not there, another shape, or no floating-point numbers.
  result<std::vector<float>> read(const std::string& name, const std::vector<std::int64_t>& shape) const;
  // A matrix [rows, columns] as [columns, rows].
  result<std::vector<float>> read_turned(const std::string& name, std::int64_t rows, std::int64_t columns) const;

 private:
  module_weights(std::filesystem::path folder, checkpoint source)
      : folder_(std::move(folder)), source_(std::move(source)) {}

  std::filesystem::path folder_;
  checkpoint source_;
};

}  // namespace troupe::inference
