// Attention in one head against its definition, in every way that this CPU has.

#include <cmath>
#include <random>

#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "inference/torch/head_attention.hpp"
#include "inference/torch/runtime.hpp"
#include "inference/torch/tile_attention.hpp"

namespace troupe::inference {
namespace {

class head_attention_of : public testing::TestWithParam<at::ScalarType> {
 protected:
  static void SetUpTestSuite() { initialise_runtime(); }

  static attention_lines lines_of(const at::Tensor& t, std::int64_t first, std::int64_t count) {
    const auto step = t.stride(0) * t.element_size();
    return {static_cast<const std::byte*>(t.const_data_ptr()) + first * step, step, count};
  }
  static bool close(const at::Tensor& a, const at::Tensor& b) {
    const double by = GetParam() == at::kFloat ? 1e-4 : 2e-2;
    return at::allclose(a.to(at::kFloat), b.to(at::kFloat), by, by);
  }
};

TEST_P(head_attention_of, is_what_its_definition_says) {
  const c10::InferenceMode inference;
  attention_scratch scratch;
  for (const std::int64_t width : {4, 30, 32, 64, 128})
    for (const std::int64_t queries : {1, 3, 15, 16, 20, 37})
      for (const std::array<std::int64_t, 3>& pieces :
           {std::array<std::int64_t, 3>{1, 0, 0}, {15, 0, 0}, {15, 13, 27}, {16, 16, 0}, {20, 0, 3}, {70, 1, 2}}) {
        const auto count = pieces[0] + pieces[1] + pieces[2];
        // Beside numbers of other heads, which are large.
        const auto q = at::randn({queries, 3 * width}).to(GetParam()),
                   kv = at::randn({count, 6 * width}).to(GetParam());
        const auto mask = at::randn({queries, count}).to(GetParam());
        for (const auto& t : {q, kv})
          for (std::int64_t head = 0; head * width < t.size(1); head += 2) t.narrow(1, head * width, width).mul_(1e4);
        auto out = at::empty({queries, width}, q.options());
        for (const bool masked : {false, true}) {
          head_attention a;
          a.bf16 = GetParam() == at::kBFloat16;
          a.width = width;
          a.to_value = 2 * width;
          a.queries = lines_of(q.narrow(1, width, width), 0, queries);
          std::int64_t first = 0;
          for (std::size_t i = 0; i < pieces.size(); first += pieces[i++])
            a.keys[i] = lines_of(kv.narrow(1, width, width), first, pieces[i]);
          if (masked) {
            a.mask = static_cast<const std::byte*>(mask.const_data_ptr());
            a.mask_step_bytes = mask.stride(0) * mask.element_size();
          }
          a.out = static_cast<std::byte*>(out.mutable_data_ptr());
          a.out_step_bytes = out.stride(0) * out.element_size();
          attend_head(a, scratch);
          auto scores =
              at::matmul(q.narrow(1, width, width).to(at::kDouble), kv.narrow(1, width, width).to(at::kDouble).t())
                  .div(std::sqrt(static_cast<double>(width)));
          if (masked) scores.add_(mask);
          const auto wanted = at::matmul(at::softmax(scores, -1), kv.narrow(1, 3 * width, width).to(at::kDouble));
          ASSERT_TRUE(close(out, wanted)) << width << ' ' << queries << ' ' << count << ' ' << masked;
        }
      }
}

TEST_P(head_attention_of, hides_what_a_mask_hides) {
  const c10::InferenceMode inference;
  attention_scratch scratch;
  constexpr std::int64_t width = 32, count = 40;
  const auto q = at::randn({count, width}).to(GetParam()), kv = at::randn({count, 2 * width}).to(GetParam());
  auto mask = at::empty({count, count}, q.options()).fill_(-INFINITY);
  for (std::int64_t i = 0; i < count; ++i) mask[i][(7 * i) % count] = 0;
  auto out = at::empty({count, width}, q.options());
  head_attention a;
  a.bf16 = GetParam() == at::kBFloat16;
  a.width = a.to_value = width;
  a.queries = lines_of(q, 0, count);
  a.keys[1] = lines_of(kv, 0, count);
  a.mask = static_cast<const std::byte*>(mask.const_data_ptr());
  a.mask_step_bytes = mask.stride(0) * mask.element_size();
  a.out = static_cast<std::byte*>(out.mutable_data_ptr());
  a.out_step_bytes = out.stride(0) * out.element_size();
  attend_head(a, scratch);
  for (std::int64_t i = 0; i < count; ++i) EXPECT_TRUE(close(out[i], kv[(7 * i) % count].narrow(0, width, width))) << i;
  std::cout << "by tiles: " << (a.bf16 && has_tile_attention(width)) << '\n';
}

INSTANTIATE_TEST_SUITE_P(types, head_attention_of, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& p) { return p.param == at::kFloat ? "fp32" : "bf16"; });

}  // namespace
}  // namespace troupe::inference
