// Products on weights in panels against LibTorch's own.

#include "inference/torch/panel_linear.hpp"

#include <ATen/Context.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "inference/torch/fork_join.hpp"
#include "inference/torch/panels.hpp"
#include "inference/torch/runtime.hpp"
#include "inference/torch/thread_share.hpp"

namespace troupe::inference::tests {
namespace {

TEST(panels, one_has_a_matrix_column_by_column) {
  for (const std::size_t width : {1, 15, 16, 17, 40}) {
    std::vector<float> rows(panel_rows * width), panel(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i);
    to_panel(rows, panel);
    for (std::size_t row = 0; row < panel_rows; ++row)
      for (std::size_t k = 0; k < width; ++k) ASSERT_EQ(panel[k * panel_rows + row], rows[row * width + k]);
  }
}

class panel_product : public testing::Test {
 protected:
  static void SetUpTestSuite() { initialise_runtime(); }
  void SetUp() override {
    if (!has_panel_linear()) GTEST_SKIP() << "this LibTorch has no kernel";
    at::manual_seed(7);
  }
  void TearDown() override { use_threads({}); }

  static at::Tensor in_panels(const at::Tensor& w) {
    const auto out = at::empty(w.sizes(), w.options());
    const auto size = static_cast<std::size_t>(panel_rows * w.size(1));
    for (std::int64_t at = 0; at < w.numel(); at += panel_rows * w.size(1))
      to_panel({w.const_data_ptr<float>() + at, size}, {out.mutable_data_ptr<float>() + at, size});
    return out;
  }

  const c10::InferenceMode inference_;
};

// Every way in which rows and the inner dimension are cut.
TEST_F(panel_product, is_the_plain_one) {
  for (const auto& [in, out] :
       {std::pair{32, 32}, {33, 64}, {384, 1152}, {1, 96}, {1600, 32}, {3072, 96}, {4097, 64}}) {
    const auto w = at::randn({out, in}), b = at::randn({out}), panels = in_panels(w);
    for (const std::int64_t rows : {1, 2, 3, 8, 31, 32, 40, 77}) {
      const auto x = at::randn({rows, in}), r = at::randn({rows, out});
      const auto near = [&](const at::Tensor& got, const at::Tensor& want) {
        EXPECT_TRUE(at::allclose(got, want, 1e-4, 2e-4)) << rows << " x " << in << " -> " << out;
      };
      near(panel_linear(x, panels, b, {}, after_linear::nothing), at::linear(x, w, b));
      near(panel_linear(x, panels, {}, {}, after_linear::nothing), at::linear(x, w));
      near(panel_linear(x, panels, b, r, after_linear::nothing), at::linear(x, w, b).add(r));
      near(panel_linear(x, panels, {}, r, after_linear::nothing), at::linear(x, w).add(r));
      near(panel_linear(x, panels, b, {}, after_linear::gelu), at::gelu(at::linear(x, w, b)));
      const auto wide = at::randn({rows, in + 5}).narrow(1, 5, in);
      near(panel_linear(wide, panels, b, {}, after_linear::nothing), at::linear(wide, w, b));
    }
  }
}

TEST_F(panel_product, can_be_had_in_part) {
  const auto w = at::randn({128, 48}), b = at::randn({128}), x = at::randn({9, 48});
  const auto some = panel_linear(x, in_panels(w).narrow(0, 32, 64), b.narrow(0, 32, 64), {}, after_linear::nothing);
  EXPECT_TRUE(at::allclose(some, at::linear(x, w, b).narrow(1, 32, 64), 1e-4, 1e-4));
}

TEST_F(panel_product, in_blocks_is_the_whole_one) {
  for (const auto& [in, out] : {std::pair{384, 1536}, {768, 96}, {1536, 384}}) {
    const auto panels = in_panels(at::randn({out, in})), b = at::randn({out}), x = at::randn({40, in}),
               r = at::randn({40, out});
    const auto whole = panel_linear(x, panels, b, {}, after_linear::gelu),
               added = panel_linear(x, panels, b, r, after_linear::nothing);
    use_threads({.threads = 3});
    const crew_scope crew;
    // A vector's erf and a lone number's differ in their last bits, and blocks end elsewhere.
    EXPECT_TRUE(at::allclose(panel_linear(x, panels, b, {}, after_linear::gelu), whole, 1e-4, 1e-5));
    EXPECT_TRUE(panel_linear(x, panels, b, r, after_linear::nothing).equal(added));
    use_threads({});
  }
}

TEST_F(panel_product, of_a_row_hardly_depends_on_its_neighbours) {
  const auto panels = in_panels(at::randn({64, 48})), row = at::randn({1, 48}), others = at::randn({70, 48}).mul(1000);
  const auto alone = panel_linear(row, panels, {}, {}, after_linear::nothing);
  const auto beside = panel_linear(at::cat({others, row}), panels, {}, {}, after_linear::nothing).narrow(0, 70, 1);
  EXPECT_TRUE(at::allclose(alone, beside, 1e-6, 1e-5));
}

}  // namespace
}  // namespace troupe::inference::tests
