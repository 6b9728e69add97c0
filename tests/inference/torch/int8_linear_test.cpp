// Products in int8 against the same in fp32.

#include "inference/torch/int8_linear.hpp"

#include <cmath>
#include <limits>

#include <ATen/Context.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "inference/files/convert.hpp"
#include "inference/torch/runtime.hpp"

namespace troupe::inference::tests {
namespace {

class int8_product : public testing::Test {
 protected:
  static void SetUpTestSuite() { initialise_runtime(); }
  void SetUp() override {
    if (!has_int8_linear()) GTEST_SKIP() << "this LibTorch has no kernel";
    at::manual_seed(5);
  }

  // The matrix, and its packed form.
  std::pair<at::Tensor, std::shared_ptr<const int8_weight>> matrix(std::int64_t out, std::int64_t in) {
    const auto w = at::randn({out, in});
    auto small = at::zeros({out, in}, at::kChar), scales = at::zeros({out});
    for (std::int64_t i = 0; i < out; ++i)
      scales.mutable_data_ptr<float>()[i] =
          to_int8({w.const_data_ptr<float>() + i * in, static_cast<std::size_t>(in)},
                  {small.mutable_data_ptr<std::int8_t>() + i * in, static_cast<std::size_t>(in)});
    return {w, pack_int8(small, scales)};
  }
  static double relative_error(const at::Tensor& a, const at::Tensor& b) {
    return a.sub(b).norm().item<double>() / b.norm().item<double>();
  }

  const c10::InferenceMode inference_;
};

TEST_F(int8_product, is_near_the_one_in_fp32) {
  for (const auto& [out, in] : {std::pair{48, 32}, {96, 384}, {33, 17}}) {
    const auto [w, packed] = matrix(out, in);
    const auto bias = at::randn({out});
    for (const std::int64_t rows : {1, 2, 7, 40}) {
      const auto x = at::randn({rows, in}), residual = at::randn({rows, out});
      EXPECT_LT(relative_error(int8_linear(x, *packed, bias, {}, after_linear::nothing), at::linear(x, w, bias)), 0.03);
      EXPECT_LT(relative_error(int8_linear(x, *packed, bias, residual, after_linear::nothing),
                               at::linear(x, w, bias).add(residual)),
                0.03);
      EXPECT_LT(relative_error(int8_linear(x, *packed, {}, {}, after_linear::nothing), at::linear(x, w)), 0.03);
    }
  }
}

TEST_F(int8_product, made_for_a_layer_is_the_same_rounded) {
  for (const auto& [out, in] : {std::pair{96, 384}, {33, 17}}) {
    const auto [w, packed] = matrix(out, in);
    const auto bias = at::randn({out});
    for (const std::int64_t rows : {1, 40})
      for (const auto after : {after_linear::nothing, after_linear::relu, after_linear::gelu}) {
        const auto x = at::randn({rows, in});
        const auto exact = int8_linear(x, *packed, bias, {}, after),
                   made = int8_linear(x, *packed, bias, {}, after, made_for::layer);
        EXPECT_EQ(made.scalar_type(), int8_layers_round() ? at::kBFloat16 : at::kFloat);
        EXPECT_TRUE(at::allclose(made.to(at::kFloat), exact, 1.0 / 128, 1e-2));
      }
  }
}

TEST_F(int8_product, takes_lines_apart_in_either_type) {
  const auto [w, packed] = matrix(96, 384);
  const auto wide = at::randn({40, 384 + 8}).to(at::kBFloat16), x = wide.narrow(1, 0, 384);
  const auto residual = at::randn({40, 96 + 3}).narrow(1, 0, 96);
  const auto of_halves = int8_linear(x, *packed, {}, residual, after_linear::nothing);
  EXPECT_EQ(of_halves.scalar_type(), at::kFloat);
  EXPECT_TRUE(of_halves.equal(
      int8_linear(x.to(at::kFloat).contiguous(), *packed, {}, residual.contiguous(), after_linear::nothing)));
}

TEST_F(int8_product, of_a_row_does_not_depend_on_its_neighbours) {
  const auto [w, packed] = matrix(64, 48);
  const auto row = at::randn({1, 48}), large = at::randn({3, 48}).mul(1000);
  const auto alone = int8_linear(row, *packed, {}, {}, after_linear::nothing);
  const auto beside = int8_linear(at::cat({large, row}), *packed, {}, {}, after_linear::nothing).narrow(0, 3, 1);
  EXPECT_TRUE(alone.equal(beside));
}

// What does not fit into 16 bits in pairs would saturate without VNNI.
TEST_F(int8_product, of_the_largest_codes_does_not_saturate) {
  constexpr std::int64_t in = 256;
  const auto w = at::zeros({16, in}).fill_(1.0F);
  auto small = at::zeros({16, in}, at::kChar).fill_(127);
  const auto packed = pack_int8(small, at::zeros({16}).fill_(1.0F / 127));
  const auto x = at::zeros({2, in}).fill_(3.0F);
  const auto y = int8_linear(x, *packed, {}, {}, after_linear::nothing);
  EXPECT_NEAR(y[0][0].item<float>(), 3.0F * in, 1.0F);
  EXPECT_NEAR(int8_linear(x.neg(), *packed, {}, {}, after_linear::nothing)[1][15].item<float>(), -3.0F * in, 1.0F);
}

TEST_F(int8_product, shows_what_is_no_number) {
  const auto [w, packed] = matrix(8, 16);
  auto x = at::randn({2, 16});
  x.mutable_data_ptr<float>()[3] = std::numeric_limits<float>::infinity();
  const auto y = int8_linear(x, *packed, {}, {}, after_linear::nothing);
  EXPECT_TRUE(std::isnan(y[0][0].item<float>()));
  EXPECT_TRUE(std::isfinite(y[1][0].item<float>())) << "costs its own row only";
  const auto zeros = int8_linear(at::zeros({1, 16}), *packed, {}, {}, after_linear::nothing);
  EXPECT_EQ(zeros.abs().sum().item<float>(), 0.0F);
}

}  // namespace
}  // namespace troupe::inference::tests
