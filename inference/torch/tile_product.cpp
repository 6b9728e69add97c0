#include "inference/torch/tile_product.hpp"

#include <algorithm>

#include "inference/torch/activation_lanes.hpp"
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

  [[gnu::always_inline]] TROUPE_TILES void line(const float* sums, std::int64_t row,
                                                std::int64_t first) const noexcept {
    lanes u, v;
    read(sums, u);
    read(sums + lane_count, v);
    if (e.bias != nullptr) add(e.bias + first, u, v);
    if (e.residual != nullptr) add(e.residual + row * e.residual_step + first, u, v);
    switch (e.after) {
      case after_linear::nothing: break;
      case after_linear::gelu: apply_gelu(u), apply_gelu(v); break;
      case after_linear::gelu_tanh: apply_gelu_tanh(u), apply_gelu_tanh(v); break;
      case after_linear::relu: apply_relu(u), apply_relu(v); break;
      case after_linear::silu: apply_silu(u), apply_silu(v); break;
    }
    _mm512_storeu_si512(e.y + row * e.y_step + first, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(v, u)));
  }
  [[gnu::always_inline]] static void add(const std::uint16_t* from, lanes& u, lanes& v) noexcept {
    lanes more;
    read(from, more);
    u += more;
    read(from + lane_count, more);
    v += more;
  }
};

template <bool half>
struct int8_endings {
  const int8_ending& e;

  [[gnu::always_inline]] TROUPE_TILES void line(const float* sums, std::int64_t row,
                                                std::int64_t first) const noexcept {
    const auto scale = _mm512_set1_ps(e.row_scales[row]);
    const auto u = ended(sums, scale, row, first), v = ended(sums + lane_count, scale, row, first + lane_count);
    if constexpr (half) {
      _mm512_storeu_si512(e.half_y + row * e.y_step + first, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(v, u)));
    } else {
      _mm512_storeu_ps(e.y + row * e.y_step + first, u);
      _mm512_storeu_ps(e.y + row * e.y_step + first + lane_count, v);
    }
  }
  [[gnu::always_inline]] TROUPE_TILES __m512 ended(const float* sums, __m512 scale, std::int64_t row,
                                                   std::int64_t first) const noexcept {
    auto u = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums)),
                           _mm512_mul_ps(scale, _mm512_loadu_ps(e.out_scales + first)));
    if (e.bias != nullptr) u = _mm512_add_ps(u, _mm512_loadu_ps(e.bias + first));
    if (e.residual != nullptr) u = _mm512_add_ps(u, _mm512_loadu_ps(e.residual + row * e.residual_step + first));
    return e.relu ? _mm512_max_ps(_mm512_setzero_ps(), u) : u;
  }
};

// The products of a step, by the tile of sums that they are added to: upper and lower lines of x, both halves of a
// panel.
template <bool int8>
[[gnu::always_inline]] TROUPE_TILES inline void add_to_0() noexcept {
  if constexpr (int8)
    _tile_dpbssd(0, 4, 6);
  else
    _tile_dpbf16ps(0, 4, 6);
}
template <bool int8>
[[gnu::always_inline]] TROUPE_TILES inline void add_to_1() noexcept {
  if constexpr (int8)
    _tile_dpbssd(1, 4, 7);
  else
    _tile_dpbf16ps(1, 4, 7);
}
template <bool int8>
[[gnu::always_inline]] TROUPE_TILES inline void add_to_2() noexcept {
  if constexpr (int8)
    _tile_dpbssd(2, 5, 6);
  else
    _tile_dpbf16ps(2, 5, 6);
}
template <bool int8>
[[gnu::always_inline]] TROUPE_TILES inline void add_to_3() noexcept {
  if constexpr (int8)
    _tile_dpbssd(3, 5, 7);
  else
    _tile_dpbf16ps(3, 5, 7);
}

// A block's sums in memory, and where they belong.
struct block_sums {
  alignas(64) float numbers[block_rows * panel_rows];
  std::int64_t row = 0, first = 0, lines = 0;

  float* upper(std::int64_t half) noexcept { return numbers + half * tile_lines; }
  float* lower(std::int64_t half) noexcept { return upper(half) + tile_lines * panel_rows; }
};

// Where a step's lines of x and weights are, and what is fetched with it.
struct step_place {
  const std::byte *weights, *upper, *lower, *fetched;
  std::int64_t line_bytes, x_step_bytes;
};

// What is done beside a step's products, known to the compiler: short loops of unknown length cost as much as they do.
template <int lines, int fetched_lines>
struct beside {
  static constexpr int ended = lines;            // of the block before
  static constexpr int fetched = fetched_lines;  // of 64 bytes, of the next panel
};

[[gnu::always_inline]] TROUPE_TILES inline void load_step(step_place& at) noexcept {
  _tile_loadd(6, at.weights, 2 * tile_line_bytes);
  _tile_loadd(7, at.weights + tile_line_bytes, 2 * tile_line_bytes);
  _tile_loadd(4, at.upper, at.x_step_bytes);
  _tile_loadd(5, at.lower, at.x_step_bytes);
  at.weights += panel_step;
  at.upper += tile_line_bytes;
  at.lower += tile_line_bytes;
}
// The next panel comes from memory while this one is multiplied.
template <int lines>
[[gnu::always_inline]] TROUPE_TILES inline void fetch(step_place& at) noexcept {
#pragma GCC unroll 32
  for (int i = 0; i < lines; ++i)
    _mm_prefetch(reinterpret_cast<const char*>(at.fetched + i * tile_line_bytes), _MM_HINT_T1);
  at.fetched += lines * tile_line_bytes;
}
template <bool int8, class Beside>
[[gnu::always_inline]] TROUPE_TILES inline void add_step(step_place& at) noexcept {
  load_step(at);
  add_to_0<int8>();
  add_to_1<int8>();
  add_to_2<int8>();
  add_to_3<int8>();
  fetch<Beside::fetched>(at);
}

// The sums of the block before leave one tile after another, as the new ones begin: the unit does not wait for all.
template <bool int8, class Beside>
[[gnu::always_inline]] TROUPE_TILES inline void begin_sums(block_sums& before, step_place& at) noexcept {
  load_step(at);
  _tile_stored(0, before.upper(0), sum_line_bytes);
  _tile_zero(0);
  add_to_0<int8>();
  _tile_stored(1, before.upper(1), sum_line_bytes);
  _tile_zero(1);
  add_to_1<int8>();
  _tile_stored(2, before.lower(0), sum_line_bytes);
  _tile_zero(2);
  add_to_2<int8>();
  _tile_stored(3, before.lower(1), sum_line_bytes);
  _tile_zero(3);
  add_to_3<int8>();
  fetch<Beside::fetched>(at);
}
[[gnu::always_inline]] TROUPE_TILES inline void end_sums(block_sums& sums) noexcept {
  _tile_stored(0, sums.upper(0), sum_line_bytes);
  _tile_stored(1, sums.upper(1), sum_line_bytes);
  _tile_stored(2, sums.lower(0), sum_line_bytes);
  _tile_stored(3, sums.lower(1), sum_line_bytes);
}

template <class Endings>
[[gnu::always_inline]] TROUPE_TILES inline void end_line(const Endings& ending, const block_sums& sums,
                                                         std::int64_t i) noexcept {
  ending.line(sums.numbers + i * panel_rows, sums.row + i, sums.first);
}

// A block's products; what follows the sums of the block before is done among them.
template <bool int8, class Beside, class Endings>
[[gnu::always_inline]] TROUPE_TILES inline void multiply_block(const Endings& ending, block_sums& before,
                                                               step_place at) noexcept {
  // Sums are in memory some steps after they were stored: what asks earlier stops all that follows it.
  constexpr std::int64_t idle_steps = 2;
  const auto steps = at.line_bytes / tile_line_bytes - 1;
  const auto idle = std::min(idle_steps, steps), busy = std::min(steps - idle, before.lines / Beside::ended);
  begin_sums<int8, Beside>(before, at);
  for (std::int64_t step = 0; step < idle; ++step) add_step<int8, Beside>(at);
  for (std::int64_t step = 0; step < busy; ++step) {
    add_step<int8, Beside>(at);
#pragma GCC unroll 4
    for (int i = 0; i < Beside::ended; ++i) end_line(ending, before, step * Beside::ended + i);
  }
  for (auto i = busy * Beside::ended; i < before.lines; ++i) end_line(ending, before, i);
  for (auto step = idle + busy; step < steps; ++step) add_step<int8, Beside>(at);
}

// Rows from `begin` on, `count` of them, panel by panel.
template <bool int8, class Beside, class Endings>
TROUPE_TILES void multiply(const tile_product& p, const Endings& ending, std::int64_t begin, std::int64_t count,
                           std::int64_t from, std::int64_t to) noexcept {
  const auto rows = std::min(count, block_rows);  // of a block
  const auto blocks = (count + block_rows - 1) / block_rows, panel_bytes = p.line_bytes * panel_rows;
  const tiles_scope tiles(std::min(rows, tile_lines), std::max<std::int64_t>(rows - tile_lines, 1));
  tiles_see_memory();
  block_sums sums;
  for (auto first = from; first < to; first += panel_rows) {
    const auto* panel = static_cast<const std::byte*>(p.panels) + first / panel_rows * panel_bytes;
    const auto* next = first + panel_rows < to ? panel + panel_bytes : panel;
    for (std::int64_t block = 0; block < blocks; ++block) {
      // The last one begins early: what both have comes out the same.
      const auto row = begin + std::min(block * block_rows, count - rows);
      const auto* upper = static_cast<const std::byte*>(p.x) + row * p.x_step_bytes;
      const auto* lower = rows > tile_lines ? upper + tile_lines * p.x_step_bytes : upper;
      const auto* fetched = next + block * Beside::fetched * p.line_bytes;
      multiply_block<int8, Beside>(ending, sums, {panel, upper, lower, fetched, p.line_bytes, p.x_step_bytes});
      sums.row = row;
      sums.first = first;
      sums.lines = rows;
    }
  }
  end_sums(sums);
  for (std::int64_t i = 0; i < sums.lines; ++i) end_line(ending, sums, i);
}

// So many bytes of x stay near while all panels pass by, a quarter of what a core's second cache has where there is
// AMX; but so many rows at least, for the panels pass by again for each part.
constexpr std::int64_t near_bytes = 1 << 19, near_rows_min = 128;

// So that the blocks fetch a panel together, and a block ends the one before in its own steps.
template <bool int8, int lines, class Endings>
void multiply_part(const tile_product& p, const Endings& ending, std::int64_t begin, std::int64_t count,
                   std::int64_t from, std::int64_t to) noexcept {
  if (count > 8 * block_rows) return multiply<int8, beside<lines, 2>>(p, ending, begin, count, from, to);
  if (count > 3 * block_rows) return multiply<int8, beside<lines, 8>>(p, ending, begin, count, from, to);
  multiply<int8, beside<lines, 32>>(p, ending, begin, count, from, to);
}

template <bool int8, class Endings>
void multiply_parts(const tile_product& p, const Endings& ending, std::int64_t from, std::int64_t to) noexcept {
  const auto most = std::max(near_rows_min, near_bytes / p.line_bytes), parts = (p.rows + most - 1) / most;
  const auto each = ((p.rows + parts - 1) / parts + block_rows - 1) / block_rows * block_rows;
  const auto steps = p.line_bytes / tile_line_bytes;
  for (std::int64_t row = 0; row < p.rows; row += each) {
    const auto count = std::min(each, p.rows - row);
    if (steps > 32)
      multiply_part<int8, 1>(p, ending, row, count, from, to);
    else if (steps > 16)
      multiply_part<int8, 2>(p, ending, row, count, from, to);
    else
      multiply_part<int8, 4>(p, ending, row, count, from, to);
  }
}

}  // namespace

void multiply_tiles(const tile_product& p, const half_ending& e, std::int64_t from, std::int64_t to) noexcept {
  multiply_parts<false>(p, half_endings{e}, from, to);
}
void multiply_tiles(const tile_product& p, const int8_ending& e, std::int64_t from, std::int64_t to) noexcept {
  if (e.half_y != nullptr) return multiply_parts<true>(p, int8_endings<true>{e}, from, to);
  multiply_parts<true>(p, int8_endings<false>{e}, from, to);
}

#else

void multiply_tiles(const tile_product&, const half_ending&, std::int64_t, std::int64_t) noexcept {}
void multiply_tiles(const tile_product&, const int8_ending&, std::int64_t, std::int64_t) noexcept {}

#endif

}  // namespace troupe::inference
