#include "inference/torch/tile_attention.hpp"

#include "inference/torch/lanes.hpp"
#include "inference/torch/tiles.hpp"

#if defined(__x86_64__)

#include <algorithm>
#include <cstring>

namespace troupe::inference {
namespace {

constexpr std::int64_t tile_rows = tile_lines, tile_pairs = 16, depth = 32;  // of a tile: 16 lines of 32 numbers

// 16 lines of 16 numbers of 32 bits, turned.
TROUPE_TILES inline void turn(__m512i (&x)[16]) noexcept {
  __m512i y[16];
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    y[i] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0x88);
    y[i + 4] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0xdd);
    y[i + 8] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0x88);
    y[i + 12] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    x[i] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0x88);
    x[i + 8] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0xdd);
    x[i + 4] = _mm512_shuffle_i32x4(y[i + 4], y[i + 12], 0x88);
    x[i + 12] = _mm512_shuffle_i32x4(y[i + 4], y[i + 12], 0xdd);
  }
}

// 32 numbers from the i-th on.
[[gnu::always_inline]] TROUPE_TILES inline __m512i numbers_at(const std::byte* line, std::int64_t i) noexcept {
  return _mm512_loadu_si512(reinterpret_cast<const std::uint16_t*>(line) + i);
}

// Keys one after another, values of two keys side by side as the instruction takes them; what is behind the last is
// zero.
TROUPE_TILES void gather(const head_attention& a, std::int64_t padded, std::uint16_t* keys,
                         std::uint16_t* values) noexcept {
  std::int64_t n = 0;
  const std::byte* odd_one = nullptr;  // the value of a pair's first key
  const auto to_value = a.to_value * static_cast<std::int64_t>(sizeof(std::uint16_t));
  const auto low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5,
                                    36, 4, 35, 3, 34, 2, 33, 1, 32, 0),
             high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  const auto put_pair = [&](const std::byte* x, const std::byte* y, std::int64_t pair) TROUPE_TILES
      __attribute__((always_inline)) {
    auto* to = values + pair * 2 * a.width;
    for (std::int64_t i = 0; i < a.width; i += depth) {
      const auto u = numbers_at(x, i), v = y != nullptr ? numbers_at(y, i) : _mm512_setzero_si512();
      _mm512_storeu_si512(to + 2 * i, _mm512_permutex2var_epi16(u, low, v));
      _mm512_storeu_si512(to + 2 * i + depth, _mm512_permutex2var_epi16(u, high, v));
    }
  };
  for (const auto& piece : a.keys)
    for (std::int64_t i = 0; i < piece.count; ++i, ++n) {
      const auto* line = piece.first + i * piece.step_bytes;
      for (std::int64_t k = 0; k < a.width; k += depth)
        _mm512_storeu_si512(keys + n * a.width + k, numbers_at(line, k));
      if (n % 2 == 0)
        odd_one = line + to_value;
      else
        put_pair(odd_one, line + to_value, n / 2);
    }
  if (n % 2 != 0) put_pair(odd_one, nullptr, n / 2);
  std::memset(keys + n * a.width, 0, static_cast<std::size_t>((padded - n) * a.width) * sizeof *keys);
  const auto paired = (n + 1) / 2 * 2;
  std::memset(values + paired * a.width, 0, static_cast<std::size_t>((padded - paired) * a.width) * sizeof *values);
}

// To [width / 2, 16 queries], pairs of numbers.
TROUPE_TILES void turn_queries(const attention_lines& queries, std::int64_t first, std::int64_t width,
                               std::uint16_t* to) noexcept {
  for (std::int64_t i = 0; i < width; i += depth) {
    __m512i lines[16];
    for (std::int64_t q = 0; q < tile_rows; ++q)
      lines[q] = first + q < queries.count ? numbers_at(queries.first + (first + q) * queries.step_bytes, i)
                                           : _mm512_setzero_si512();
    turn(lines);
    for (std::int64_t k = 0; k < tile_pairs; ++k) _mm512_storeu_si512(to + (i / 2 + k) * 2 * attention_lanes, lines[k]);
  }
}

// scores [keys, 16 queries]
TROUPE_TILES void multiply_keys(const std::uint16_t* keys, const std::uint16_t* queries, std::int64_t padded,
                                std::int64_t width, float* scores) noexcept {
  constexpr std::int64_t line_bytes = attention_lanes * sizeof(float);
  tiles_see_memory();
  for (std::int64_t k = 0; k < padded; k += 2 * tile_rows) {
    _tile_zero(0);
    _tile_zero(1);
    for (std::int64_t i = 0; i < width; i += depth) {
      _tile_loadd(6, queries + i * attention_lanes, line_bytes);
      _tile_loadd(4, keys + k * width + i, 2 * width);
      _tile_loadd(5, keys + (k + tile_rows) * width + i, 2 * width);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 5, 6);
    }
    _tile_stored(0, scores + k * attention_lanes, line_bytes);
    _tile_stored(1, scores + (k + tile_rows) * attention_lanes, line_bytes);
  }
}

// From [keys, 16 queries] to bf16 [16 queries, keys].
TROUPE_TILES void turn_weights(const float* weights, std::int64_t count, std::int64_t padded,
                               std::uint16_t* to) noexcept {
  for (std::int64_t k = 0; k < padded; k += tile_rows) {
    __m512i lines[16];
    for (std::int64_t i = 0; i < tile_rows; ++i)
      lines[i] = k + i < count ? _mm512_loadu_si512(weights + (k + i) * attention_lanes) : _mm512_setzero_si512();
    turn(lines);
    for (std::int64_t q = 0; q < tile_rows; ++q)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + q * padded + k),
                          reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_castsi512_ps(lines[q]))));
  }
}

// Of the queries from `first` on.
TROUPE_TILES void add_values(const head_attention& a, std::int64_t first, const std::uint16_t* weights,
                             const std::uint16_t* values, std::int64_t padded, const float* sums) noexcept {
  alignas(64) float answers[tile_rows * depth];
  constexpr std::int64_t line_bytes = depth * sizeof(float);
  const auto queries = std::min(attention_lanes, a.queries.count - first);
  tiles_see_memory();
  for (std::int64_t i = 0; i < a.width; i += depth) {
    _tile_zero(0);
    _tile_zero(1);
    for (std::int64_t k = 0; k < padded; k += depth) {
      _tile_loadd(4, weights + k, 2 * padded);
      _tile_loadd(6, values + k * a.width + 2 * i, 4 * a.width);
      _tile_loadd(7, values + k * a.width + 2 * i + depth, 4 * a.width);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
    }
    _tile_stored(0, answers, line_bytes);
    _tile_stored(1, answers + tile_rows, line_bytes);
    for (std::int64_t q = 0; q < queries; ++q) {
      const auto times = _mm512_set1_ps(1 / sums[q]);
      const auto u = _mm512_mul_ps(_mm512_load_ps(answers + q * depth), times),
                 v = _mm512_mul_ps(_mm512_load_ps(answers + q * depth + tile_rows), times);
      auto* line = a.out + (first + q) * a.out_step_bytes;
      _mm512_storeu_si512(line + 2 * i, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(v, u)));
    }
  }
}

}  // namespace

bool has_tile_attention(std::int64_t width) noexcept { return has_tiles() && width % depth == 0; }

void attend_by_tiles(const head_attention& a, attention_scratch& s) {
  const auto count = a.key_count(), padded = (count + depth - 1) / depth * depth;
  s.half_keys.resize(static_cast<std::size_t>(padded * a.width));
  s.half_values.resize(s.half_keys.size());
  s.half_queries.resize(static_cast<std::size_t>(attention_lanes * a.width));
  s.half_weights.resize(static_cast<std::size_t>(attention_lanes * padded));
  s.scores.resize(static_cast<std::size_t>(attention_lanes * padded));
  const tiles_scope tiles;
  gather(a, padded, s.half_keys.data(), s.half_values.data());
  for (std::int64_t first = 0; first < a.queries.count; first += attention_lanes) {
    turn_queries(a.queries, first, a.width, s.half_queries.data());
    multiply_keys(s.half_keys.data(), s.half_queries.data(), padded, a.width, s.scores.data());
    float sums[attention_lanes];
    weigh_scores(a, first, s.scores.data(), sums);
    turn_weights(s.scores.data(), count, padded, s.half_weights.data());
    add_values(a, first, s.half_weights.data(), s.half_values.data(), padded, sums);
  }
}

}  // namespace troupe::inference

#else

namespace troupe::inference {

bool has_tile_attention(std::int64_t) noexcept { return false; }
void attend_by_tiles(const head_attention&, attention_scratch&) {}

}  // namespace troupe::inference

#endif
