// Products in bf16 on weights in panels against LibTorch's own in fp32.

#include "inference/torch/bf16_panel_linear.hpp"

#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

#include "inference/torch/fork_join.hpp"
#include "inference/torch/half_line.hpp"
#include "inference/torch/onednn_panels.hpp"
#include "inference/torch/panels.hpp"
#include "inference/torch/runtime.hpp"
#include "inference/torch/thread_share.hpp"

namespace troupe::inference::tests {
namespace {

TEST(panels, one_in_bf16_has_pairs_of_columns) {
  for (const std::size_t width : {2, 16, 30, 32, 34, 96}) {
    std::vector<std::uint16_t> rows(panel_rows * width), panel(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::uint16_t>(i);
    to_panel(std::span<const std::uint16_t>(rows), panel);
    for (std::size_t row = 0; row < panel_rows; ++row)
      for (std::size_t k = 0; k < width; ++k)
        ASSERT_EQ(panel[k / 2 * 2 * panel_rows + row * 2 + k % 2], rows[row * width + k]);
  }
}

// On any CPU.
class half_lines_after : public testing::TestWithParam<after_linear> {};

TEST_P(half_lines_after, are_what_libtorch_makes_of_them) {
  const c10::InferenceMode inference;
  const std::int64_t count = 9, width = 3 * panel_rows;
  const auto sums = at::linspace(-30, 30, count * panel_rows).view({count, panel_rows});
  const auto bias = at::randn({panel_rows}).to(at::kBFloat16), residual = at::randn({count, width}).to(at::kBFloat16);
  const auto bits = [](const at::Tensor& t) {
    return reinterpret_cast<const std::uint16_t*>(t.const_data_ptr<c10::BFloat16>());
  };
  for (const bool with_bias : {false, true})
    for (const bool with_residual : {false, true}) {
      auto y = at::zeros({count, width}, at::kBFloat16), wanted = sums.clone();
      if (with_bias) wanted.add_(bias);
      if (with_residual) wanted.add_(residual.narrow(1, 0, panel_rows));
      wanted = activated(wanted, GetParam());
      half_lines(sums.const_data_ptr<float>(), count, with_bias ? bits(bias) : nullptr,
                 with_residual ? bits(residual) : nullptr,
                 reinterpret_cast<std::uint16_t*>(y.mutable_data_ptr<c10::BFloat16>()), width, GetParam());
      const auto got = y.narrow(1, 0, panel_rows).to(at::kFloat);
      EXPECT_TRUE(at::allclose(got, wanted, 1.0 / 256, 1e-6)) << got.sub(wanted).abs().max().item().toFloat();
      EXPECT_TRUE(y.narrow(1, panel_rows, 2 * panel_rows).equal(at::zeros({count, 2 * panel_rows}, at::kBFloat16)));
    }
}

TEST_P(half_lines_after, hide_nothing_that_is_no_number) {
  std::vector<float> sums(panel_rows, 1.0F);
  sums[0] = std::numeric_limits<float>::quiet_NaN();
  sums[1] = -std::numeric_limits<float>::quiet_NaN();
  sums[2] = std::numeric_limits<float>::infinity();
  std::vector<std::uint16_t> y(panel_rows);
  half_lines(sums.data(), 1, nullptr, nullptr, y.data(), panel_rows, GetParam());
  const auto got = [&](std::size_t i) { return static_cast<float>(c10::BFloat16(y[i], c10::BFloat16::from_bits())); };
  EXPECT_TRUE(std::isnan(got(0)));
  EXPECT_TRUE(std::isnan(got(1)));
  EXPECT_EQ(got(2), sums[2]);
}

INSTANTIATE_TEST_SUITE_P(each, half_lines_after,
                         testing::Values(after_linear::nothing, after_linear::gelu, after_linear::gelu_tanh,
                                         after_linear::relu, after_linear::silu));

class bf16_panel_product : public testing::Test {
 protected:
  static void SetUpTestSuite() { initialise_runtime(); }
  void SetUp() override {
    if (!has_bf16_panel_linear()) GTEST_SKIP() << "this CPU or LibTorch has no kernel";
    at::manual_seed(7);
  }
  void TearDown() override { use_threads({}); }

  static at::Tensor some(at::IntArrayRef shape, double scale = 1) {
    return at::randn(shape).mul(scale).to(at::kBFloat16);
  }
  static at::Tensor in_panels(const at::Tensor& w) {
    const auto out = at::empty(w.sizes(), w.options());
    const auto size = static_cast<std::size_t>(panel_rows * w.size(1));
    const auto* from = reinterpret_cast<const std::uint16_t*>(w.const_data_ptr<c10::BFloat16>());
    auto* to = reinterpret_cast<std::uint16_t*>(out.mutable_data_ptr<c10::BFloat16>());
    for (std::int64_t at = 0; at < w.numel(); at += panel_rows * w.size(1))
      to_panel(std::span<const std::uint16_t>(from + at, size), {to + at, size});
    return out;
  }

  const c10::InferenceMode inference_;
};

// Every way in which rows are cut, and oneDNN's product for many.
TEST_F(bf16_panel_product, is_the_plain_one_rounded_once) {
  for (const auto& [in, out] : {std::pair{2, 32}, {32, 32}, {34, 64}, {384, 1152}, {40, 96}, {1600, 32}, {3072, 96}}) {
    const auto w = some({out, in}, 1 / std::sqrt(in)), b = some({out}), panels = in_panels(w);
    const auto exact = [&](const at::Tensor& x, bool bias) {
      return at::linear(x.to(at::kFloat), w.to(at::kFloat), bias ? std::optional(b.to(at::kFloat)) : std::nullopt);
    };
    for (const std::int64_t rows : {1, 2, 3, 7, 8, 16, 24, 31, 32, 40, 77, 96, 130}) {
      const auto x = some({rows, in}), r = some({rows, out});
      const auto near = [&](const at::Tensor& got, const at::Tensor& want) {
        ASSERT_EQ(got.scalar_type(), at::kBFloat16);
        EXPECT_TRUE(at::allclose(got.to(at::kFloat), want, 1.0 / 250, 1e-4)) << rows << " x " << in << " -> " << out;
      };
      near(bf16_panel_linear(x, panels, b, {}, after_linear::nothing), exact(x, true));
      near(bf16_panel_linear(x, panels, {}, {}, after_linear::nothing), exact(x, false));
      near(bf16_panel_linear(x, panels, b, r, after_linear::nothing), exact(x, true).add(r));
      near(bf16_panel_linear(x, panels, {}, r, after_linear::nothing), exact(x, false).add(r));
      near(bf16_panel_linear(x, panels, b, {}, after_linear::gelu), activated(exact(x, true), after_linear::gelu));
      near(bf16_panel_linear(x, panels, b, r, after_linear::relu),
           activated(exact(x, true).add(r), after_linear::relu));
      const auto wide = some({rows, in + 5}).narrow(1, 5, in);
      near(bf16_panel_linear(wide, panels, b, {}, after_linear::nothing), exact(wide, true));
    }
  }
}

TEST_F(bf16_panel_product, can_be_had_in_part) {
  const auto w = some({128, 64}), b = some({128});
  for (const std::int64_t rows : {9, 100}) {
    const auto x = some({rows, 64});
    const auto part =
                   bf16_panel_linear(x, in_panels(w).narrow(0, 32, 64), b.narrow(0, 32, 64), {}, after_linear::nothing),
               whole = bf16_panel_linear(x, in_panels(w), b, {}, after_linear::nothing).narrow(1, 32, 64);
    EXPECT_TRUE(at::allclose(part.to(at::kFloat), whole.to(at::kFloat), 1.0 / 120, 1e-3));
  }
}

TEST_F(bf16_panel_product, in_blocks_is_the_whole_one) {
  for (const auto& [in, out] : {std::pair{384, 1536}, {768, 96}, {1536, 384}}) {
    const auto panels = in_panels(some({out, in})), b = some({out}), x = some({40, in}), r = some({40, out});
    const auto whole = bf16_panel_linear(x, panels, b, {}, after_linear::gelu),
               added = bf16_panel_linear(x, panels, b, r, after_linear::nothing);
    use_threads({.threads = 3});
    const crew_scope crew;
    EXPECT_TRUE(bf16_panel_linear(x, panels, b, {}, after_linear::gelu).equal(whole));
    EXPECT_TRUE(bf16_panel_linear(x, panels, b, r, after_linear::nothing).equal(added));
    use_threads({});
  }
}

TEST_F(bf16_panel_product, of_a_row_hardly_depends_on_its_neighbours) {
  const auto panels = in_panels(some({64, 64})), row = some({1, 64});
  const auto alone = bf16_panel_linear(row, panels, {}, {}, after_linear::nothing).to(at::kFloat);
  for (const std::int64_t others : {30, 70, 127}) {
    const auto beside =
        bf16_panel_linear(at::cat({some({others, 64}, 1000), row}), panels, {}, {}, after_linear::nothing)
            .narrow(0, others, 1);
    EXPECT_TRUE(at::allclose(alone, beside.to(at::kFloat), 1.0 / 120, 1e-5)) << others;
  }
}

// AMX' tiles are a thread's: what others compute between, and on other threads, comes out right.
TEST_F(bf16_panel_product, leaves_the_tiles_to_others) {
  const auto w = some({96, 64}), b = some({96}), panels = in_panels(w), x = some({33, 64});
  const auto ours = bf16_panel_linear(x, panels, b, {}, after_linear::nothing), theirs = fused_linear(x, w, b);
  const auto in_turn = [&] {
    const c10::InferenceMode inference;
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(bf16_panel_linear(x, panels, b, {}, after_linear::nothing).equal(ours));
      EXPECT_TRUE(fused_linear(x, w, b).equal(theirs));
    }
  };
  std::thread other(in_turn);
  in_turn();
  other.join();
}

TEST_F(bf16_panel_product, is_onednn_s_where_that_packs_just_so) {
  const auto w = some({96, 64}), x = some({128, 64});
  const auto panels = in_panels(w), weight = as_onednn_weight(panels);
  if (!weight.defined()) GTEST_SKIP() << "it packs in another order here";
  EXPECT_TRUE(fused_linear(x, weight, {}).equal(fused_linear(x, w, {})));
  EXPECT_FALSE(as_onednn_weight(in_panels(some({96, 34}))).defined());
}

}  // namespace
}  // namespace troupe::inference::tests
