#include "inference/torch/head_attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "inference/torch/activation_lanes.hpp"
#include "inference/torch/tile_attention.hpp"

namespace troupe::inference {
namespace {

static_assert(attention_lanes == lane_count);

std::int64_t rounded_up(std::int64_t n, std::int64_t step) noexcept { return (n + step - 1) / step * step; }

// As many sums as registers hold.
constexpr std::int64_t queries_at_once = 4, columns_at_once = 2 * lane_count;

// scores [keys, lanes] = the sum over i of keys[..][i] * queries [width, lanes].
template <std::int64_t at_once>
[[gnu::always_inline]] inline std::int64_t multiply_some(const float* queries, const float* const* keys,
                                                         std::int64_t from, std::int64_t count, std::int64_t width,
                                                         float* scores) noexcept {
  for (; from + at_once <= count; from += at_once) {
    lanes sums[at_once] = {}, q;
    const float* some[at_once];
    std::copy_n(keys + from, at_once, some);
    for (std::int64_t i = 0; i < width; ++i) {
      read(queries + i * lane_count, q);
      for (std::int64_t j = 0; j < at_once; ++j) sums[j] += q * some[j][i];
    }
    for (std::int64_t j = 0; j < at_once; ++j) write(sums[j], scores + (from + j) * lane_count);
  }
  return from;
}
TROUPE_WIDE void multiply_keys(const float* queries, const float* const* keys, std::int64_t count, std::int64_t width,
                               float* scores) noexcept {
  const auto rest = multiply_some<4>(queries, keys, 0, count, width, scores);
  multiply_some<1>(queries, keys, rest, count, width, scores);
}
// With twice as many registers of twice the size: sums wait less for each other.
TROUPE_WIDE void multiply_more_keys(const float* queries, const float* const* keys, std::int64_t count,
                                    std::int64_t width, float* scores) noexcept {
  const auto rest = multiply_some<8>(queries, keys, 0, count, width, scores);
  multiply_some<1>(queries, keys, rest, count, width, scores);
}
bool has_many_registers() noexcept {
#if defined(__x86_64__)
  static const bool found = __builtin_cpu_supports("avx512f");
  return found;
#else
  return false;
#endif
}

// answers [lanes, width] = the sum over keys of weights[key][lane] * values[key]. REQUIRES a width of whole columns.
TROUPE_WIDE void add_values(const float* weights, const float* const* values, std::int64_t count, std::int64_t queries,
                            std::int64_t width, float* answers) noexcept {
  lanes v, w;
  for (std::int64_t q = 0; q < queries; q += queries_at_once)
    for (std::int64_t i = 0; i < width; i += columns_at_once) {
      lanes sums[queries_at_once][2] = {};
      for (std::int64_t k = 0; k < count; ++k) {
        read(values[k] + i, v);
        read(values[k] + i + lane_count, w);
        const auto* weight = weights + k * lane_count + q;
        for (std::int64_t j = 0; j < queries_at_once; ++j) {
          sums[j][0] += v * weight[j];
          sums[j][1] += w * weight[j];
        }
      }
      for (std::int64_t j = 0; j < queries_at_once; ++j) {
        write(sums[j][0], answers + (q + j) * width + i);
        write(sums[j][1], answers + (q + j) * width + i + lane_count);
      }
    }
}

TROUPE_WIDE void weigh(float* scores, std::int64_t count, float scale, float* sums) noexcept {
  lanes score, most = lanes{} - std::numeric_limits<float>::infinity(), all{};
  for (std::int64_t k = 0; k < count; ++k) {
    read(scores + k * lane_count, score);
    score *= scale;
    most = score > most ? score : most;
  }
  constexpr float least = -87;
  for (std::int64_t k = 0; k < count; ++k) {
    read(scores + k * lane_count, score);
    score = score * scale - most;
    score = score < least ? lanes{} + least : score;
    exponentiate(score);
    write(score, scores + k * lane_count);
    all += score;
  }
  write(all, sums);
}

TROUPE_WIDE void widen(const std::uint16_t* from, std::int64_t n, float* to) noexcept {
  for (std::int64_t i = 0; i < n; ++i) to[i] = bf16_to_float(from[i]);
}
TROUPE_WIDE void write_times(const float* from, std::int64_t n, float times, float* to) noexcept {
  for (std::int64_t i = 0; i < n; ++i) to[i] = from[i] * times;
}
TROUPE_WIDE void write_times(const float* from, std::int64_t n, float times, std::uint16_t* to) noexcept {
  for (std::int64_t i = 0; i < n; ++i) to[i] = float_to_bf16(from[i] * times);
}

float number_at(const std::byte* line, std::int64_t i, bool bf16) noexcept {
  return bf16 ? bf16_to_float(reinterpret_cast<const std::uint16_t*>(line)[i])
              : reinterpret_cast<const float*>(line)[i];
}

// Where each key and value lies in fp32, padded to whole columns: in place where it can be.
void find_lines(const head_attention& a, std::int64_t padded, attention_scratch& s) {
  const bool in_place = !a.bf16 && padded == a.width;
  const auto count = static_cast<std::size_t>(a.key_count()), wide = static_cast<std::size_t>(padded);
  if (!in_place) s.numbers.assign(2 * count * wide, 0);
  s.keys.resize(count);
  s.values.resize(count);
  std::size_t n = 0;
  for (const auto& piece : a.keys)
    for (std::int64_t i = 0; i < piece.count; ++i, ++n) {
      const auto* line = piece.first + i * piece.step_bytes;
      if (in_place) {
        s.keys[n] = reinterpret_cast<const float*>(line);
        s.values[n] = s.keys[n] + a.to_value;
        continue;
      }
      auto *key = s.numbers.data() + 2 * n * wide, *value = key + wide;
      if (a.bf16) {
        widen(reinterpret_cast<const std::uint16_t*>(line), a.width, key);
        widen(reinterpret_cast<const std::uint16_t*>(line) + a.to_value, a.width, value);
      } else {
        std::copy_n(reinterpret_cast<const float*>(line), a.width, key);
        std::copy_n(reinterpret_cast<const float*>(line) + a.to_value, a.width, value);
      }
      s.keys[n] = key;
      s.values[n] = value;
    }
}

void attend_in_lanes(const head_attention& a, attention_scratch& s) {
  const auto count = a.key_count(), padded = rounded_up(a.width, columns_at_once);
  find_lines(a, padded, s);
  s.queries.assign(static_cast<std::size_t>(a.width * lane_count), 0);
  s.scores.resize(static_cast<std::size_t>(count * lane_count));
  s.answers.resize(static_cast<std::size_t>(lane_count * padded));
  for (std::int64_t first = 0; first < a.queries.count; first += lane_count) {
    const auto queries = std::min(lane_count, a.queries.count - first);
    for (std::int64_t q = 0; q < queries; ++q) {
      const auto* line = a.queries.first + (first + q) * a.queries.step_bytes;
      for (std::int64_t i = 0; i < a.width; ++i)
        s.queries[static_cast<std::size_t>(i * lane_count + q)] = number_at(line, i, a.bf16);
    }
    (has_many_registers() ? multiply_more_keys : multiply_keys)(s.queries.data(), s.keys.data(), count, a.width,
                                                                s.scores.data());
    float sums[lane_count];
    weigh_scores(a, first, s.scores.data(), sums);
    add_values(s.scores.data(), s.values.data(), count, queries, padded, s.answers.data());
    for (std::int64_t q = 0; q < queries; ++q) {
      auto* to = a.out + (first + q) * a.out_step_bytes;
      const auto* from = s.answers.data() + q * padded;
      if (a.bf16)
        write_times(from, a.width, 1 / sums[q], reinterpret_cast<std::uint16_t*>(to));
      else
        write_times(from, a.width, 1 / sums[q], reinterpret_cast<float*>(to));
    }
  }
}

}  // namespace

void weigh_scores(const head_attention& a, std::int64_t first, float* scores, float* sums) noexcept {
  const auto count = a.key_count();
  auto scale = 1 / std::sqrt(static_cast<float>(a.width));
  if (a.mask != nullptr) {
    const auto queries = std::min(lane_count, a.queries.count - first);
    for (std::int64_t k = 0; k < count; ++k)
      for (std::int64_t q = 0; q < queries; ++q) {
        auto& score = scores[k * lane_count + q];
        score = score * scale + number_at(a.mask + (first + q) * a.mask_step_bytes, k, a.bf16);
      }
    scale = 1;
  }
  weigh(scores, count, scale, sums);
}

void attend_head(const head_attention& a, attention_scratch& scratch) {
  if (a.bf16 && has_tile_attention(a.width)) return attend_by_tiles(a, scratch);
  attend_in_lanes(a, scratch);
}

}  // namespace troupe::inference
