#include "inference/torch/tile_product.hpp"

#include <algorithm>

#include "inference/torch/half_line.hpp"
#include "inference/torch/panels.hpp"
#include "inference/torch/tiles.hpp"

namespace troupe::inference {

bool has_tile_product(std::int64_t line_bytes, std::int64_t out) noexcept {
  return has_tiles() && line_bytes % tile_line_bytes == 0 && out % panel_rows == 0;
}

#if defined(__x86_64__)

namespace {

constexpr std::int64_t block_rows = 2 * tile_lines;
constexpr std::int64_t panel_step = 2 * tile_line_bytes * tile_lines;  // bytes of a panel for a line's 64
constexpr std::int64_t sum_line_bytes = panel_rows * sizeof(float);

// What stands for a line of 32 sums, before it is written.
struct half_endings {
  const half_ending& e;
  std::int64_t out;

  TROUPE_TILES [[gnu::always_inline]] void line(const float* sums, std::int64_t row,
                                                std::int64_t first) const noexcept {
    if (e.after != after_linear::nothing && e.after != after_linear::relu)
      return half_lines(sums, 1, e.bias == nullptr ? nullptr : e.bias + first,
                        e.residual == nullptr ? nullptr : e.residual + row * out + first, e.y + row * out + first, out,
                        e.after);
    auto u = _mm512_load_ps(sums), v = _mm512_load_ps(sums + 16);
    const auto add = [&](const std::uint16_t* more) TROUPE_TILES __attribute__((always_inline)) {
      u = _mm512_add_ps(u, widened(more));
      v = _mm512_add_ps(v, widened(more + 16));
    };
    if (e.bias != nullptr) add(e.bias + first);
    if (e.residual != nullptr) add(e.residual + row * out + first);
    if (e.after == after_linear::relu) {  // NaN stays NaN
      u = _mm512_max_ps(_mm512_setzero_ps(), u);
      v = _mm512_max_ps(_mm512_setzero_ps(), v);
    }
    _mm512_storeu_si512(e.y + row * out + first, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(v, u)));
  }
  TROUPE_TILES [[gnu::always_inline]] static __m512 widened(const std::uint16_t* x) noexcept {
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))), 16));
  }
};

struct int8_endings {
  const int8_ending& e;
  std::int64_t out;

  TROUPE_TILES [[gnu::always_inline]] void line(const float* sums, std::int64_t row,
                                                std::int64_t first) const noexcept {
    const auto scale = _mm512_set1_ps(e.row_scales[row]);
    for (std::int64_t i = 0; i < panel_rows; i += 16) {
      auto u = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums + i)),
                             _mm512_mul_ps(scale, _mm512_loadu_ps(e.out_scales + first + i)));
      if (e.bias != nullptr) u = _mm512_add_ps(u, _mm512_loadu_ps(e.bias + first + i));
      if (e.residual != nullptr) u = _mm512_add_ps(u, _mm512_loadu_ps(e.residual + row * out + first + i));
      if (e.relu) u = _mm512_max_ps(_mm512_setzero_ps(), u);
      _mm512_storeu_ps(e.y + row * out + first + i, u);
    }
  }
};

// A block whose sums wait to be written.
struct waiting_block {
  const float* sums = nullptr;
  std::int64_t row = 0, first = 0, lines = 0;
};

template <bool int8>
TROUPE_TILES [[gnu::always_inline]] inline void add_products() noexcept {
  if constexpr (int8) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  } else {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

// Rows from `begin` on, `count` of them.
template <bool int8, class Endings>
TROUPE_TILES void multiply(const tile_product& p, const Endings& ending, std::int64_t begin, std::int64_t count,
                           std::int64_t from, std::int64_t to) noexcept {
  const auto rows = std::min(count, block_rows);  // of a block
  const auto upper = std::min(rows, tile_lines), lower = std::max<std::int64_t>(rows - upper, 1);
  const bool two = rows > upper;
  const auto steps = p.line_bytes / tile_line_bytes, lines_a_step = (block_rows + steps - 1) / steps;
  const auto blocks = (count + block_rows - 1) / block_rows, panel_bytes = p.line_bytes * panel_rows;
  // The next panel comes from memory while this one is multiplied, some lines with each step.
  const auto ahead = (panel_step / tile_line_bytes + blocks - 1) / blocks;
  alignas(64) float sums[2][block_rows * panel_rows];
  waiting_block waiting;
  std::int64_t number = 0;
  const tiles_scope tiles(upper, lower);
  tiles_see_memory();
  for (auto first = from; first < to; first += panel_rows) {
    const auto* panel = static_cast<const std::byte*>(p.panels) + first / panel_rows * panel_bytes;
    const auto* next = first + panel_rows < to ? panel + panel_bytes : panel;
    for (std::int64_t block = 0; block < blocks; ++block) {
      // The last one begins early: what both have comes out the same.
      const auto row = begin + std::min(block * block_rows, count - rows);
      const auto* upper_x = static_cast<const std::byte*>(p.x) + row * p.line_bytes;
      const auto* lower_x = two ? upper_x + tile_lines * p.line_bytes : upper_x;
      const auto* weights = panel;
      const auto* fetched = next + block * steps * ahead * tile_line_bytes;
      const auto* fetch_end = next + panel_bytes;
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      std::int64_t written = 0;
      for (std::int64_t step = 0; step < steps; ++step) {
        _tile_loadd(6, weights, 2 * tile_line_bytes);
        _tile_loadd(7, weights + tile_line_bytes, 2 * tile_line_bytes);
        _tile_loadd(4, upper_x, p.line_bytes);
        _tile_loadd(5, lower_x, p.line_bytes);
        add_products<int8>();
        upper_x += tile_line_bytes;
        lower_x += tile_line_bytes;
        weights += panel_step;
        for (std::int64_t i = 0; i < ahead && fetched < fetch_end; ++i, fetched += tile_line_bytes)
          _mm_prefetch(reinterpret_cast<const char*>(fetched), _MM_HINT_T1);
        for (const auto end = std::min(waiting.lines, written + lines_a_step); written < end; ++written)
          ending.line(waiting.sums + written * panel_rows, waiting.row + written, waiting.first);
      }
      auto* made = sums[number++ % 2];
      _tile_stored(0, made, sum_line_bytes);
      _tile_stored(1, made + tile_lines, sum_line_bytes);
      if (two) {
        _tile_stored(2, made + tile_lines * panel_rows, sum_line_bytes);
        _tile_stored(3, made + tile_lines * panel_rows + tile_lines, sum_line_bytes);
      }
      waiting = {made, row, first, rows};
    }
  }
  for (std::int64_t i = 0; i < waiting.lines; ++i)
    ending.line(waiting.sums + i * panel_rows, waiting.row + i, waiting.first);
}

// So many bytes of x stay near while all panels pass by: half of what a core's second cache has where there is AMX.
constexpr std::int64_t near_bytes = 1 << 20;

template <bool int8, class Endings>
void multiply_parts(const tile_product& p, const Endings& ending, std::int64_t from, std::int64_t to) noexcept {
  const auto parts = (p.rows * p.line_bytes + near_bytes - 1) / near_bytes;
  const auto each = ((p.rows + parts - 1) / parts + block_rows - 1) / block_rows * block_rows;
  for (std::int64_t row = 0; row < p.rows; row += each)
    multiply<int8>(p, ending, row, std::min(each, p.rows - row), from, to);
}

}  // namespace

void multiply_tiles(const tile_product& p, const half_ending& e, std::int64_t from, std::int64_t to) noexcept {
  multiply_parts<false>(p, half_endings{e, p.out}, from, to);
}
void multiply_tiles(const tile_product& p, const int8_ending& e, std::int64_t from, std::int64_t to) noexcept {
  multiply_parts<true>(p, int8_endings{e, p.out}, from, to);
}

#else

void multiply_tiles(const tile_product&, const half_ending&, std::int64_t, std::int64_t) noexcept {}
void multiply_tiles(const tile_product&, const int8_ending&, std::int64_t, std::int64_t) noexcept {}

#endif

}  // namespace troupe::inference
