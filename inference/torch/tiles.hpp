#pragma once
// AMX: tiles of 16 lines of 64 bytes, and what our own kernels with them share. The instructions are seen by files that
// include this alone, in functions that are TROUPE_TILES. No Torch here.

#include <cstdint>

namespace troupe::inference {

inline constexpr std::int64_t tile_lines = 16, tile_line_bytes = 64;

// The CPU and the system have AMX for bf16 and int8, and nothing in the environment limits oneDNN to less.
bool has_tiles() noexcept;

}  // namespace troupe::inference

#if defined(__x86_64__)

// GCC 12 takes what its own header leaves open on purpose for a mistake.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#define TROUPE_TILES \
  __attribute__((target("amx-tile,amx-bf16,amx-int8,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")))

namespace troupe::inference {

// GCC's header does not say that the instructions which follow read memory: what was written before must be there.
[[gnu::always_inline]] inline void tiles_see_memory() noexcept { asm volatile("" ::: "memory"); }

// While it lives the thread's tiles are this kernel's; then nobody's, as others expect them. Tiles 0, 1, 4 (sums,
// input) have `upper` lines, 2, 3, 5 have `lower`; 6, 7 (weights) are whole.
class tiles_scope {
 public:
  TROUPE_TILES explicit tiles_scope(std::int64_t upper = tile_lines, std::int64_t lower = tile_lines) noexcept {
    struct alignas(64) {
      std::uint8_t palette = 1, start_line = 0, reserved[14] = {};
      std::uint16_t line_bytes[16] = {};
      std::uint8_t lines[16] = {};
    } shapes;
    for (int i = 0; i < 8; ++i) {
      shapes.line_bytes[i] = tile_line_bytes;
      shapes.lines[i] = static_cast<std::uint8_t>(i == 0 || i == 1 || i == 4 ? upper : i < 6 ? lower : tile_lines);
    }
    asm volatile("" : : "r"(&shapes) : "memory");
    _tile_loadconfig(&shapes);
  }
  TROUPE_TILES ~tiles_scope() { _tile_release(); }
  tiles_scope(const tiles_scope&) = delete;
  tiles_scope& operator=(const tiles_scope&) = delete;
};

}  // namespace troupe::inference

#endif
