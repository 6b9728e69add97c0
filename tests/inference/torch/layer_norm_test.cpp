// Layer norm against LibTorch's.

#include "inference/torch/layer_norm.hpp"

#include <ATen/ops/allclose.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace troupe::inference {
namespace {

TEST(layer_norm, is_libtorchs_of_any_width) {
  const c10::InferenceMode inference;
  for (const std::int64_t width : {1, 7, 16, 31, 64, 80, 129, 512, 560, 2048}) {
    const auto x = at::randn({9, width}).mul_(3).add_(50), w = at::randn({width}), b = at::randn({width});
    for (const bool has_bias : {false, true}) {
      const auto wanted = at::layer_norm(x.to(at::kDouble), {width}, w.to(at::kDouble),
                                         has_bias ? std::optional(b.to(at::kDouble)) : std::nullopt, 1e-5)
                              .to(at::kFloat);
      auto apart = at::empty({9, width + 5}).fill_(7);
      const auto y = apart.narrow(1, 0, width);
      normalize_lines(norm_lines<float>{x.const_data_ptr<float>(), width, 9, width, w.const_data_ptr<float>(),
                                        has_bias ? b.const_data_ptr<float>() : nullptr, 1e-5,
                                        apart.mutable_data_ptr<float>(), width + 5});
      EXPECT_TRUE(at::allclose(y, wanted, 1e-4, 1e-4)) << width;
      EXPECT_TRUE(apart.narrow(1, width, 5).eq(7).all().item<bool>()) << "between lines: " << width;
    }
  }
}

TEST(layer_norm, of_bf16_is_rounded_once) {
  const c10::InferenceMode inference;
  const auto bits = [](const at::Tensor& t) {
    return reinterpret_cast<const std::uint16_t*>(t.const_data_ptr<c10::BFloat16>());
  };
  for (const std::int64_t width : {5, 32, 100, 512}) {
    const auto x = at::randn({6, width}).to(at::kBFloat16), w = at::randn({width}).to(at::kBFloat16),
               b = at::randn({width}).to(at::kBFloat16);
    const auto wanted = at::layer_norm(x.to(at::kFloat), {width}, w.to(at::kFloat), b.to(at::kFloat), 1e-12);
    auto y = at::empty({6, width}, at::kBFloat16);
    normalize_lines(norm_lines<std::uint16_t>{bits(x), width, 6, width, bits(w), bits(b), 1e-12,
                                              reinterpret_cast<std::uint16_t*>(y.mutable_data_ptr<c10::BFloat16>()),
                                              width});
    EXPECT_TRUE(at::allclose(y.to(at::kFloat), wanted, 1.0 / 256, 1e-5)) << width;
  }
}

}  // namespace
}  // namespace troupe::inference
