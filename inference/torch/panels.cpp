#include "inference/torch/panels.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>

namespace troupe::inference {

void to_panel(std::span<const float> rows, std::span<float> out) noexcept {
  assert(rows.size() == out.size());
  const auto width = rows.size() / panel_rows;
  // Some columns at a time: what one line of `rows` has of them stays in the cache.
  constexpr std::size_t columns = 16;
  for (std::size_t from = 0; from < width; from += columns)
    for (std::size_t row = 0; row < panel_rows; ++row)
      for (auto k = from; k < std::min(width, from + columns); ++k) out[k * panel_rows + row] = rows[row * width + k];
}

}  // namespace troupe::inference
