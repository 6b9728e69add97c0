#include "inference/files/convert.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "inference/model/half.hpp"

namespace troupe::inference {

std::optional<dtype> floating_type_of(std::string_view stored_name) noexcept {
  const auto type = parse_stored_name(stored_name);
  const bool floating = type == dtype::f32 || type == dtype::f64 || type == dtype::f16 || type == dtype::bf16;
  return floating ? type : std::nullopt;
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

void to_floats(dtype type, std::span<const std::byte> in, std::span<float> out) noexcept {
  if (out.empty()) return;  // memcpy takes no null pointer
  switch (type) {
    case dtype::f32: std::memcpy(out.data(), in.data(), out.size_bytes()); break;
    case dtype::f64: each<double>(in, out, [](double v) { return static_cast<float>(v); }); break;
    case dtype::f16: each<std::uint16_t>(in, out, f16_to_float); break;
    case dtype::bf16: each<std::uint16_t>(in, out, bf16_to_float); break;
    default: break;
  }
}

void to_bf16(std::span<const float> in, std::span<std::uint16_t> out) noexcept {
  std::transform(in.begin(), in.end(), out.begin(), float_to_bf16);
}

float to_int8(std::span<const float> in, std::span<std::int8_t> out) noexcept {
  float most = 0;
  bool numbers = true;
  for (const auto v : in) {
    most = std::max(most, std::abs(v));
    numbers = numbers && std::isfinite(v);
  }
  if (!numbers) {
    std::fill(out.begin(), out.end(), std::int8_t{0});
    return std::numeric_limits<float>::quiet_NaN();
  }
  const auto scale = most > 0 ? most / 127 : 1;
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = static_cast<std::int8_t>(std::lrint(in[i] / scale));
  return scale;
}

}  // namespace troupe::inference
