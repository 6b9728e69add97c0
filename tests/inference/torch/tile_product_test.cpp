// Products by AMX' tiles against LibTorch's.

#include "inference/torch/tile_product.hpp"

#include <vector>

#include <ATen/ops/allclose.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "inference/torch/panels.hpp"
#include "inference/torch/runtime.hpp"

namespace troupe::inference {
namespace {

class tile_products : public testing::Test {
 protected:
  void SetUp() override {
    initialise_runtime();
    if (!has_tile_product(tile_bytes, panel_rows)) GTEST_SKIP() << "no AMX here";
  }
  static std::uint16_t* bits(const at::Tensor& t) {
    return reinterpret_cast<std::uint16_t*>(t.mutable_data_ptr<c10::BFloat16>());
  }
  static constexpr std::int64_t tile_bytes = 64;
  // Of one tile and of two, more than a block of them, and so many that x is cut into parts.
  static constexpr std::int64_t row_counts[] = {1, 7, 16, 17, 31, 32, 33, 69, 300};

  const c10::InferenceMode inference_;
};

TEST_F(tile_products, in_bf16_are_rounded_once) {
  for (const std::int64_t in : {32, 96, 2048})
    for (const auto rows : row_counts)
      for (const auto after : {after_linear::nothing, after_linear::relu, after_linear::gelu}) {
        constexpr std::int64_t out = 3 * panel_rows;
        const auto x = at::randn({rows, in}).to(at::kBFloat16), w = at::randn({out, in}).to(at::kBFloat16),
                   bias = at::randn({out}).to(at::kBFloat16), residual = at::randn({rows, out}).to(at::kBFloat16),
                   panels = at::empty({out, in}, at::kBFloat16);
        const auto size = static_cast<std::size_t>(panel_rows * in);
        for (std::int64_t first = 0; first < out; first += panel_rows)
          to_panel(std::span<const std::uint16_t>(bits(w) + first * in, size), {bits(panels) + first * in, size});
        // Lines of x apart, those of y further.
        const auto spread = at::empty({rows, in + 32}, at::kBFloat16).fill_(9);
        spread.narrow(1, 0, in).copy_(x);
        const auto room = at::empty({rows, out + 64}, at::kBFloat16).fill_(9), y = room.narrow(1, 0, out);
        const tile_product p{spread.const_data_ptr(), panels.const_data_ptr(), rows, 2 * in, out, 2 * in + 64};
        const half_ending ending{bits(bias), bits(residual), bits(room), out, out + 64, after};
        multiply_tiles(p, ending, 0, panel_rows);
        EXPECT_TRUE(room.narrow(1, panel_rows, out + 64 - panel_rows).eq(9).all().item<bool>()) << "columns of others";
        multiply_tiles(p, ending, panel_rows, out);
        EXPECT_TRUE(room.narrow(1, out, 64).eq(9).all().item<bool>()) << "between lines";
        const auto wanted = activated(
            at::linear(x.to(at::kFloat), w.to(at::kFloat), bias.to(at::kFloat)).add_(residual.to(at::kFloat)), after);
        ASSERT_TRUE(at::allclose(y.to(at::kFloat), wanted, 1.0 / 128, 1e-2)) << in << ' ' << rows;
      }
}

TEST_F(tile_products, in_int8_are_exact_before_their_scales) {
  for (const std::int64_t in : {64, 192, 4096})
    for (const auto rows : row_counts) {
      constexpr std::int64_t out = 2 * panel_rows;
      const auto x = at::randint(-127, 128, {rows, in}, at::kChar), w = at::randint(-127, 128, {out, in}, at::kChar),
                 panels = at::empty({out, in}, at::kChar);
      for (std::int64_t row = 0; row < out; ++row)
        for (std::int64_t k = 0; k < in; ++k)
          panels.mutable_data_ptr<std::int8_t>()[row / 32 * 32 * in + k / 4 * 128 + row % 32 * 4 + k % 4] =
              w.const_data_ptr<std::int8_t>()[row * in + k];
      const std::vector<float> row_scales(static_cast<std::size_t>(rows), 0.5F), out_scales(out, 0.25F);
      const auto residual = at::randint(-9, 9, {rows, out}).to(at::kFloat);
      for (const bool relu : {false, true})
        for (const bool half : {false, true}) {
          const auto y = at::empty({rows, out}, half ? at::kBFloat16 : at::kFloat);
          int8_ending ending{row_scales.data(), out_scales.data(), nullptr, residual.const_data_ptr<float>()};
          ending.y = half ? nullptr : y.mutable_data_ptr<float>();
          ending.half_y = half ? bits(y) : nullptr;
          ending.residual_step = ending.y_step = out;
          ending.relu = relu;
          multiply_tiles({x.const_data_ptr(), panels.const_data_ptr(), rows, in, out, in}, ending, 0, out);
          const auto sums = at::linear(x.to(at::kDouble), w.to(at::kDouble)).mul_(0.125).add_(residual);
          const auto wanted = activated(sums, relu ? after_linear::relu : after_linear::nothing).to(at::kFloat);
          ASSERT_TRUE(half ? y.equal(wanted.to(at::kBFloat16)) : at::allclose(y, wanted, 1e-6, 1e-3))
              << in << ' ' << rows;
        }
    }
}

}  // namespace
}  // namespace troupe::inference
