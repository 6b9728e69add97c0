#include "inference/torch/panels.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>

namespace troupe::inference {
namespace {

// `pair` columns lie side by side.
template <std::size_t pair, class T>
void lay(std::span<const T> rows, std::span<T> out) noexcept {
  assert(rows.size() == out.size() && rows.size() % (panel_rows * pair) == 0);
  const auto width = rows.size() / panel_rows;
  // Some columns at a time: what one line of `rows` has of them stays in the cache.
  constexpr std::size_t columns = 64 / sizeof(T);
  for (std::size_t from = 0; from < width; from += columns)
    for (std::size_t row = 0; row < panel_rows; ++row)
      for (auto k = from; k < std::min(width, from + columns); ++k)
        out[(k / pair * panel_rows + row) * pair + k % pair] = rows[row * width + k];
}

}  // namespace

void to_panel(std::span<const float> rows, std::span<float> out) noexcept { lay<1>(rows, out); }
void to_panel(std::span<const std::uint16_t> rows, std::span<std::uint16_t> out) noexcept { lay<2>(rows, out); }

}  // namespace troupe::inference
