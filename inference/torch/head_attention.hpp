#pragma once
// Attention of one row in one head, over keys and values that lie in pieces: they are read where a session keeps them.
// Scores stand with a line for each key and a lane for each of 16 queries, so that a softmax goes down the lines and
// needs no sums across lanes. No Torch types.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe::inference {

struct attention_lines {
  const std::byte* first = nullptr;
  std::int64_t step_bytes = 0, count = 0;
};

// All numbers are fp32, or all are bf16; sums and weights' sums are in fp32.
struct head_attention {
  bool bf16 = false;
  std::int64_t width = 0;                 // of a head
  std::int64_t to_value = 0;              // numbers from a key to its value
  attention_lines queries;                // each line from the head's first number on, as all below
  std::array<attention_lines, 3> keys{};  // in any order
  const std::byte* mask = nullptr;        // [queries, keys], added to the scores; null: nothing
  std::int64_t mask_step_bytes = 0;
  std::byte* out = nullptr;  // [queries, width]
  std::int64_t out_step_bytes = 0;

  std::int64_t key_count() const noexcept { return keys[0].count + keys[1].count + keys[2].count; }
};

inline constexpr std::int64_t attention_lanes = 16;  // queries at a time

// Memory that a thread uses again for the next head.
struct attention_scratch {
  std::vector<float> queries, numbers, scores, answers;
  std::vector<const float*> keys, values;
  std::vector<std::uint16_t> half_queries, half_keys, half_values, half_weights;
};

// softmax(queries * keys^T / sqrt(width) + mask) * values. REQUIRES a key.
void attend_head(const head_attention& a, attention_scratch& scratch);

// Scores [keys, lanes] of the queries from `first` on become exp(score / sqrt(width) + mask - the lane's most), and
// `sums` [lanes] what they add up to.
void weigh_scores(const head_attention& a, std::int64_t first, float* scores, float* sums) noexcept;

}  // namespace troupe::inference
