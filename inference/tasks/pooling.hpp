#pragma once
// One vector of a text's tokens, as sentence-transformers' Pooling makes it. Computed in double: a mean over many
// tokens keeps the network's own precision.

#include <cstdint>
#include <span>
#include <vector>

#include "inference/files/model_json.hpp"

namespace troupe::inference {

enum class pooling_mode : std::uint8_t { cls, max, mean, mean_sqrt_length, weighted_mean, last_token };

struct pooling {
  std::vector<pooling_mode> modes{pooling_mode::mean};  // at least one; their vectors follow one another
  bool include_prompt = true;                           // false: a prompt's tokens are left out
};

// Of the module's config.json: `pooling_mode`, or the flags that older versions wrote. unprocessable: no such mode.
result<pooling> read_pooling(const model_json& config);

// The lines of a text's tokens, `width` numbers each.
struct token_lines {
  std::span<const float> values;
  std::size_t width = 0;
  std::size_t tokens = 0;                // of the text
  std::span<const std::uint32_t> picks;  // the tokens that have a line, rising; empty: all
};

// The tokens that it looks at, where they are few; empty: all. `skipped` tokens stand in front and do not count.
std::vector<std::uint32_t> tokens_for(const pooling& how, std::uint32_t tokens, std::uint32_t skipped);

// modes.size() vectors, one after another. Where no token is left, cls is the first one, and the others are zero.
// REQUIRES the lines of tokens_for().
std::vector<double> pool(const pooling& how, const token_lines& given, std::size_t skipped);

}  // namespace troupe::inference
