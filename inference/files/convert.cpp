#include "inference/files/convert.hpp"

#include <bit>
#include <cmath>
#include <cstring>

namespace troupe::inference {

number_type number_type_of(std::string_view t) noexcept {
  if (t == "F32") return number_type::f32;
  if (t == "F64") return number_type::f64;
  if (t == "F16") return number_type::f16;
  if (t == "BF16") return number_type::bf16;
  return number_type::none;
}

float bf16_to_float(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

std::uint16_t float_to_bf16(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>(bits >> 16U | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16U & 1U)) >> 16U);
}

float f16_to_float(std::uint16_t bits) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16U;
  const std::uint32_t magnitude = bits & 0x7fffU;
  if (magnitude >= 0x7c00U)
    return std::bit_cast<float>(sign | 0x7f800000U | (magnitude & 0x3ffU) << 13U);
  if (magnitude >= 0x400U) return std::bit_cast<float>(sign | ((magnitude << 13U) + (112U << 23U)));
  const float tiny = std::ldexp(static_cast<float>(magnitude), -24);
  return sign != 0 ? -tiny : tiny;
}

namespace {
template <class In, class F>
void each(std::span<const std::byte> in, std::span<float> out, F convert) noexcept {
  for (std::size_t i = 0; i < out.size(); ++i) {
    In value;
    std::memcpy(&value, in.data() + i * sizeof(In), sizeof(In));
    out[i] = convert(value);
  }
}
}  // namespace

void to_floats(number_type type, std::span<const std::byte> in, std::span<float> out) noexcept {
  switch (type) {
    case number_type::f32:
      std::memcpy(out.data(), in.data(), out.size_bytes());
      break;
    case number_type::f64:
      each<double>(in, out, [](double v) { return static_cast<float>(v); });
      break;
    case number_type::f16:
      each<std::uint16_t>(in, out, f16_to_float);
      break;
    case number_type::bf16:
      each<std::uint16_t>(in, out, [](std::uint16_t v) {
        return std::bit_cast<float>(static_cast<std::uint32_t>(v) << 16U);
      });
      break;
    case number_type::none:
      break;
  }
}

void to_bf16(std::span<const float> in, std::span<std::uint16_t> out) noexcept {
  for (std::size_t i = 0; i < in.size(); ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(in[i]);
    const auto rounded = (bits + 0x7fffU + (bits >> 16U & 1U)) >> 16U;
    const bool nan = (bits & 0x7fffffffU) > 0x7f800000U;
    out[i] = static_cast<std::uint16_t>(nan ? (bits >> 16U | 0x40U) : rounded);
  }
}

}  // namespace troupe::inference
