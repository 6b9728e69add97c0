#pragma once
// Numbers of one stored type into another. Pure loops; no Torch.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "inference/model/tensor.hpp"

namespace troupe::inference {

// Null: not a floating-point type of ours.
std::optional<dtype> floating_type_of(std::string_view stored_name) noexcept;

// Appends nothing, resizes nothing: `out` has as many elements as `in` has.
// REQUIRES a floating-point type.
void to_floats(dtype type, std::span<const std::byte> in, std::span<float> out) noexcept;
void to_bf16(std::span<const float> in, std::span<std::uint16_t> out) noexcept;
// Symmetric: out * scale is about `in`. Gives the scale: the largest magnitude / 127, of a row of zeros 1. What is no
// number becomes 0, and the scale NaN, so that products show it.
float to_int8(std::span<const float> in, std::span<std::int8_t> out) noexcept;

}  // namespace troupe::inference
