#include "inference/encoders/rotary.hpp"

#include <algorithm>
#include <cassert>

#include <ATen/ops/arange.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/pow.h>

#include "inference/model/half.hpp"

namespace troupe::inference {
namespace {

// Half a megabyte for heads of 64; longer texts pay for their own.
constexpr std::int64_t kept_positions = 1024;

// In float32 step by step, as the reference.
rotation turns(const at::Tensor& frequencies, std::int64_t positions) {
  const auto angles = at::arange(positions, at::kFloat).unsqueeze(1).mul(frequencies.unsqueeze(0));
  return {angles.cos(), angles.sin()};
}

float wide(float x) noexcept { return x; }
float wide(std::uint16_t x) noexcept { return bf16_to_float(x); }
void put(float& to, float x) noexcept { to = x; }
void put(std::uint16_t& to, float x) noexcept { to = float_to_bf16(x); }

// One pass over lines that the product before has just written; LibTorch's operators would make six.
template <class number>
void rotate_lines(number* x, std::int64_t tokens, std::int64_t stride, std::int64_t heads, std::int64_t half,
                  const std::int32_t* positions, const rotation& by) {
  const auto *all_cos = by.cos.const_data_ptr<float>(), *all_sin = by.sin.const_data_ptr<float>();
  for (std::int64_t t = 0; t < tokens; ++t) {
    const float* __restrict cos = all_cos + positions[t] * half;
    const float* __restrict sin = all_sin + positions[t] * half;
    for (std::int64_t h = 0; h < heads; ++h) {
      number* __restrict first = x + t * stride + h * 2 * half;
      number* __restrict second = first + half;
      for (std::int64_t i = 0; i < half; ++i) {
        const float a = wide(first[i]), b = wide(second[i]);
        put(first[i], a * cos[i] - b * sin[i]);
        put(second[i], b * cos[i] + a * sin[i]);
      }
    }
  }
}

}  // namespace

rotary::rotary(std::int64_t width, double theta, std::int64_t longest)
    : frequencies_(at::pow(theta, at::arange(0, width, 2, at::kFloat).div(width)).reciprocal()),
      brief_(turns(frequencies_, std::min(longest, kept_positions))) {}

std::uint64_t rotary::private_bytes(std::int64_t width, std::int64_t longest) noexcept {
  return static_cast<std::uint64_t>(std::min(longest, kept_positions) * width) * sizeof(float);
}

rotation rotary::of(const packed_rows& p, bool gpu) const {
  std::int64_t longest = 1;
  for (const auto& g : p.groups)
    if (!g.spare) longest = std::max(longest, g.length);
  auto all = longest <= brief_.cos.size(0) ? brief_ : turns(frequencies_, longest);
  if (!gpu) return all;
  for (auto* t : {&all.cos, &all.sin}) *t = at::index_select(t->to(p.positions.device()), 0, p.positions).unsqueeze(1);
  return all;
}

void rotate(at::Tensor& x, std::int64_t heads, const rotation& by, const packed_rows& p) {
  assert(x.is_contiguous());
  const auto half = by.cos.size(-1), tokens = x.size(0), stride = x.size(1);
  if (x.device().is_cpu()) {
    const auto* positions = p.positions.const_data_ptr<std::int32_t>();
    if (x.scalar_type() == at::kFloat)
      rotate_lines(x.mutable_data_ptr<float>(), tokens, stride, heads, half, positions, by);
    else
      rotate_lines(reinterpret_cast<std::uint16_t*>(x.mutable_data_ptr<at::BFloat16>()), tokens, stride, heads, half,
                   positions, by);
    return;
  }
  const auto pairs = x.narrow(1, 0, heads * 2 * half).view({tokens, heads, 2, half});
  const auto first = pairs.select(2, 0), second = pairs.select(2, 1);
  const auto a = first.to(at::kFloat, false, true), b = second.to(at::kFloat, false, true);
  first.copy_(a.mul(by.cos).sub_(b.mul(by.sin)));
  second.copy_(b.mul(by.cos).add_(a.mul(by.sin)));
}

}  // namespace troupe::inference
