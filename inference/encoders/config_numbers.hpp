#pragma once
// Numbers of config.json, bounded, so that sizes computed from them cannot overflow.

#include <cstdint>

#include "inference/files/model_json.hpp"

namespace troupe::inference {

namespace limits {
inline constexpr std::int64_t vocab_size = 16 << 20, hidden_size = 1 << 16, layers = 1000, heads = 1 << 12,
                              inner_size = 1 << 20, positions = 1 << 20, token_types = 255;
}

// A whole number from `least` to `most`; `otherwise` where the key is missing. unprocessable: something else.
result<std::int64_t> whole_number(const model_json& config, const char* key, std::int64_t otherwise, std::int64_t most,
                                  std::int64_t least = 1);
// Between 0 and 1; `otherwise` where the key is missing. unprocessable: something else.
result<double> norm_epsilon(const model_json& config, const char* key, double otherwise);

// Reads into members one after another, and keeps the first error.
class number_reader {
 public:
  explicit number_reader(const model_json& config) : config_(config) {}
  number_reader& whole(const char* key, std::int64_t& into, std::int64_t otherwise, std::int64_t most,
                       std::int64_t least = 1);
  number_reader& epsilon(const char* key, double& into, double otherwise);
  result<void> done() const { return outcome_; }

 private:
  const model_json& config_;
  result<void> outcome_;
};

}  // namespace troupe::inference
