#pragma once
// How weights lie for products that read them as they are (panel_linear.hpp): 32 rows of a matrix, column by column,
// then the next 32. A product has 32 neighbours for every number of its input; in bf16 for every two, which lie side by
// side, as the instructions take them. As many values as in rows. No Torch here.

#include <cstdint>
#include <span>

namespace troupe::inference {

inline constexpr std::int64_t panel_rows = 32;

// One panel. REQUIRES both to be panel_rows times the matrix' width.
void to_panel(std::span<const float> rows, std::span<float> out) noexcept;
// bf16. REQUIRES an even width besides.
void to_panel(std::span<const std::uint16_t> rows, std::span<std::uint16_t> out) noexcept;

}  // namespace troupe::inference
