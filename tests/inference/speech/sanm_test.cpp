// Parts of SAN-M networks against their definitions: memory block, attention over a past, continuous
// integrate-and-fire.

#include <cmath>
#include <cstring>
#include <random>

#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "inference/speech/cif.hpp"
#include "inference/speech/memory_block.hpp"
#include "inference/speech/row_attention.hpp"
#include "inference/torch/runtime.hpp"

namespace troupe::inference {
namespace {

class sanm : public testing::Test {
 protected:
  static void SetUpTestSuite() { initialise_runtime(); }

  at::Tensor random(std::int64_t lines, std::int64_t width) {
    auto t = at::zeros({lines, width}, at::kFloat);
    auto* to = t.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < t.numel(); ++i) to[i] = normal_(random_);
    return t;
  }
  static bool close(const at::Tensor& a, const at::Tensor& b, double by = 1e-5) { return at::allclose(a, b, by, by); }

  // By definition, in double.
  static at::Tensor filtered(const at::Tensor& x, const at::Tensor& taps, std::int64_t left) {
    auto y = x.to(at::kDouble).clone();
    const auto w = taps.to(at::kDouble);
    for (std::int64_t t = 0; t < x.size(0); ++t)
      for (std::int64_t k = 0; k < taps.size(0); ++k)
        if (const auto from = t + k - left; from >= 0 && from < x.size(0)) y[t].add_(x[from].to(at::kDouble).mul(w[k]));
    return y.to(at::kFloat);
  }

  std::mt19937 random_{5};
  std::normal_distribution<float> normal_;
};

TEST_F(sanm, a_memory_block_filters_each_row_alone) {
  const c10::InferenceMode inference;
  const auto wide = random(20, 24);  // v beside q and k
  const auto x = wide.narrow(1, 16, 8), taps = random(5, 8), added = random(20, 8);
  const std::vector<frame_range> rows{{0, 7}, {7, 1}, {8, 10}};
  const auto y = memory_block(x, taps, 2, rows, added, at::kFloat);
  for (const auto& r : rows)
    EXPECT_TRUE(close(y.narrow(0, r.first, r.length),
                      filtered(x.narrow(0, r.first, r.length), taps, 2).add(added.narrow(0, r.first, r.length))));
  EXPECT_TRUE(close(y.narrow(0, 18, 2), at::zeros({2, 8}))) << "lines of no row";
  const auto half = memory_block(x.to(at::kBFloat16), taps, 2, rows, added.to(at::kBFloat16), at::kBFloat16);
  EXPECT_EQ(half.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(close(half.to(at::kFloat), y, 0.03));
  const auto rounded = x.to(at::kBFloat16);
  const auto sums = memory_block(rounded, taps, 2, rows, added, at::kFloat);
  EXPECT_EQ(sums.scalar_type(), at::kFloat);
  EXPECT_TRUE(close(sums, memory_block(rounded.to(at::kFloat), taps, 2, rows, added, at::kFloat)));
}

TEST_F(sanm, a_memory_block_takes_any_width) {
  const c10::InferenceMode inference;
  for (const std::int64_t width : {1, 17, 63, 64, 65, 200}) {
    const auto x = random(9, width), taps = random(11, width);
    EXPECT_TRUE(close(memory_block(x, taps, 5, std::vector<frame_range>{{0, 9}}, {}, at::kFloat), filtered(x, taps, 5)))
        << width;
  }
}

TEST_F(sanm, a_memory_block_goes_on_where_it_was) {
  const c10::InferenceMode inference;
  const auto x = random(30, 8), taps = random(5, 8);
  const auto whole = filtered(x, taps, 4);
  std::vector<std::byte> past(4 * 8 * sizeof(float));
  std::int64_t at = 0;
  for (const std::int64_t count : {1, 2, 3, 9, 4, 11}) {
    const std::vector<continued_range> rows{{{0, count}, past.data()}};
    EXPECT_TRUE(close(memory_block(x.narrow(0, at, count), taps, rows, {}), whole.narrow(0, at, count))) << at;
    at += count;
  }
}

TEST_F(sanm, attention_sees_the_past_and_no_neighbour) {
  const c10::InferenceMode inference;
  constexpr std::int64_t heads = 2, width = 8;
  const auto seed = std::random_device{}();
  std::cout << "seed " << seed << '\n';
  random_.seed(seed);
  const auto qkv = random(40, 3 * width);
  const auto q = qkv.narrow(1, 0, width), kv = qkv.narrow(1, width, 2 * width);
  constexpr std::int64_t layers = 2, capacity = 6;
  std::vector<std::vector<std::byte>> memory;
  std::vector<key_history> pasts(4);
  std::vector<at::Tensor> seen(4, at::zeros({0, 2 * width}));  // of layer 1
  for (std::size_t i = 0; i < pasts.size(); ++i) {
    memory.emplace_back(layers * capacity * 2 * width * sizeof(float));
    pasts[i] = {memory.back().data(), capacity, 2 * width * sizeof(float)};
    for (std::size_t round = 0; round < i; ++round) {
      const auto count = static_cast<std::int64_t>(1 + random_() % 4);
      const auto lines = random(count, 2 * width);
      for (std::int64_t layer = 0; layer < layers; ++layer)
        for (std::int64_t k = 0; k < count; ++k)
          pasts[i].put(layer, k, reinterpret_cast<const std::byte*>(lines.const_data_ptr<float>() + k * 2 * width));
      pasts[i].advance(count, capacity);
      seen[i] = at::cat({seen[i], lines});
      if (seen[i].size(0) > capacity) seen[i] = seen[i].narrow(0, seen[i].size(0) - capacity, capacity);
    }
    EXPECT_EQ(pasts[i].count(), seen[i].size(0));
  }
  // Rows of two lengths, with and without a past, and other numbers of queries than keys.
  const std::vector<attention_row> rows{{0, 5, 0, 5, &pasts[0]},   {5, 5, 5, 5, &pasts[1]}, {10, 5, 10, 5, &pasts[2]},
                                        {15, 5, 15, 5, &pasts[3]}, {20, 2, 20, 9, nullptr}, {29, 3, 29, 3, &pasts[2]}};
  const auto out = attend_rows(q, kv, heads, rows, 1);
  for (const auto& row : rows) {
    auto keys = kv.narrow(0, row.key, row.keys);
    if (row.past != nullptr) keys = at::cat({seen[static_cast<std::size_t>(row.past - pasts.data())], keys});
    for (std::int64_t h = 0; h < heads; ++h) {
      const auto head = width / heads;
      const auto qh = q.narrow(0, row.query, row.queries).narrow(1, h * head, head);
      const auto kh = keys.narrow(1, h * head, head), vh = keys.narrow(1, width + h * head, head);
      const auto expected =
          at::matmul(at::softmax(at::matmul(qh, kh.t()).div(std::sqrt(static_cast<double>(head))), -1), vh);
      EXPECT_TRUE(close(out.narrow(0, row.query, row.queries).narrow(1, h * head, head), expected, 1e-4)) << row.query;
    }
  }
}

TEST_F(sanm, a_mask_hides_keys) {
  const c10::InferenceMode inference;
  const auto qkv = random(6, 12);
  auto mask = at::zeros({3, 3});
  mask[0][1] = mask[0][2] = mask[1][2] = -INFINITY;  // causal
  const std::vector<attention_row> rows{{0, 3, 0, 3, nullptr, mask}, {3, 3, 3, 3, nullptr}};
  const auto out = attend_rows(qkv.narrow(1, 0, 4), qkv.narrow(1, 4, 8), 1, rows, 0);
  EXPECT_TRUE(close(out[0], qkv[0].narrow(0, 8, 4)));
  const std::vector<attention_row> plain{{3, 3, 3, 3, nullptr}};
  const auto alone = attend_rows(qkv.narrow(1, 0, 4), qkv.narrow(1, 4, 8), 1, plain, 0);
  EXPECT_TRUE(close(out.narrow(0, 3, 3), alone.narrow(0, 3, 3)));
}

TEST_F(sanm, tokens_fire_where_weights_sum_up) {
  cif_settings settings;
  settings.tail_threshold = 0.45;
  const std::vector<float> weights{0.9F, 0.25F, 0.5F, 0.5F, 0.25F, 0.9F}, frames{9, 1, 2, 3, 4, 9};
  float rest_weight = 0;
  std::vector<float> rest_frame{0};
  fired_tokens fired;
  // Only frames 1 to 4 count: 1.25 passes the threshold at frame 3, and 0.5 of it is left with what follows.
  integrate_chunk(settings, weights, frames, 1, 5, false, {&rest_weight, rest_frame}, fired);
  ASSERT_EQ(fired.frames, (std::vector<std::int64_t>{3}));
  EXPECT_FLOAT_EQ(fired.vectors[0], 0.25F * 1 + 0.5F * 2 + 0.25F * 3);
  EXPECT_FLOAT_EQ(rest_weight, 0.5F);
  EXPECT_FLOAT_EQ(rest_frame[0] * rest_weight, 0.25F * 3 + 0.25F * 4);
  // The last chunk: all that is ahead, and the tail's weight of nothing.
  const std::vector<float> last{0.5F, 0.1F};
  fired = {};
  integrate_chunk(settings, last, std::vector<float>{5, 6}, 0, 1, true, {&rest_weight, rest_frame}, fired);
  EXPECT_EQ(fired.frames, (std::vector<std::int64_t>{0}));
  fired = {};
  integrate_whole(settings, std::vector<float>{0.6F, 0.6F, 0.4F}, std::vector<float>{1, 2, 3}, 1, fired);
  ASSERT_EQ(fired.frames, (std::vector<std::int64_t>{1, 3})) << "the tail fires the second";
  EXPECT_FLOAT_EQ(fired.vectors[0], 0.6F * 1 + 0.4F * 2);
  EXPECT_FLOAT_EQ(fired.vectors[1], 0.2F * 2 + 0.4F * 3);
}

}  // namespace
}  // namespace troupe::inference
