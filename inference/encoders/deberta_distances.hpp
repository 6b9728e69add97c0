#pragma once
// How far apart two tokens are, as DeBERTa sees it. For our Torch code.

#include <cstdint>
#include <vector>

#include "inference/encoders/deberta_config.hpp"

namespace troupe::inference {

// Which line of a distance table (deberta_attention.hpp) the distances j - i = 1 - positions .. positions - 1 have;
// rising. With log buckets, distances beyond the nearest share lines.
std::vector<std::int32_t> distance_lines(const deberta_settings& settings);

// What tokens' distances add to the scores of `rows` rows of one length and `heads` heads of each. fp32.
struct distance_scores {
  std::int64_t rows, heads, length, lines;
  const std::int32_t* near;  // near[j - i]: the line of that distance, of `lines`
  // [heads, rows, length, lines]: each token's product with every line; null: no such part.
  const float* by_query;
  const float* by_key;
  float* out;  // [rows, heads, i, j]: by_query[i][near[j - i]] + by_key[j][near[j - i]]
};
void sum_distances(const distance_scores& s);

}  // namespace troupe::inference
