#pragma once
// Numbers of one stored type into another. Pure loops; no Torch.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace troupe::inference {

enum class number_type : std::uint8_t { f32, f64, f16, bf16, none };
number_type number_type_of(
    std::string_view stored_type) noexcept;  // none: not a floating-point type of ours

float bf16_to_float(std::uint16_t bits) noexcept;
std::uint16_t float_to_bf16(float value) noexcept;  // round to nearest even; NaN stays NaN
float f16_to_float(std::uint16_t bits) noexcept;

// Appends nothing, resizes nothing: `out` has as many elements as `in` has.
void to_floats(number_type type, std::span<const std::byte> in, std::span<float> out) noexcept;
void to_bf16(std::span<const float> in, std::span<std::uint16_t> out) noexcept;

}  // namespace troupe::inference
