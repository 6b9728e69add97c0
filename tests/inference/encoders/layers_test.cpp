// The layers that encoders share, against their definitions; the way of a GPU too, which pads, on this CPU.

#include "inference/encoders/layers.hpp"

#include <ATen/ops/allclose.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "inference/torch/runtime.hpp"
#include "tests/inference/encoders/unpack.hpp"

namespace troupe::inference {
namespace {

constexpr std::int64_t heads = 2, hidden = 8;

class layers : public testing::Test {
 protected:
  static void SetUpTestSuite() { initialise_runtime(); }

  at::Tensor random(std::int64_t lines, std::int64_t width) {
    auto t = at::zeros({lines, width}, at::kFloat);
    auto* to = t.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < t.numel(); ++i) to[i] = normal_(random_);
    return t;
  }
  // Of each row of the batch, its tokens' lines of q, k and v.
  std::vector<at::Tensor> qkv_of_rows() {
    std::vector<at::Tensor> out;
    for (const auto& row : ids_) out.push_back(random(static_cast<std::int64_t>(row.size()), 3 * hidden));
    return out;
  }
  std::vector<token_row> rows() const {
    std::vector<token_row> out;
    for (const auto& row : ids_) out.push_back({row, {}});
    return out;
  }
  // Put where the rows' tokens lie; what is beside them is noise that must not count.
  at::Tensor packed_like(const packed_rows& p, const std::vector<at::Tensor>& of_rows) {
    auto all = random(p.ids.size(0), 3 * hidden);
    for (const auto& g : p.groups)
      for (std::int64_t k = 0; !g.spare && k < g.rows; ++k) {
        const auto& lines = of_rows[p.order[static_cast<std::size_t>(g.first_row + k)]];
        all.narrow(0, g.first + k * g.length, lines.size(0)).copy_(lines);
      }
    return all;
  }

  // Attention by its definition.
  static std::vector<float> expected(const at::Tensor& qkv) {
    const auto n = qkv.size(0);
    const auto* x = qkv.const_data_ptr<float>();
    const auto at_of = [&](std::int64_t token, std::int64_t part, std::int64_t i) {
      return static_cast<double>(x[token * 3 * hidden + part * hidden + i]);
    };
    constexpr auto width = hidden / heads;
    std::vector<float> out(static_cast<std::size_t>(n * hidden));
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t q = 0; q < n; ++q) {
        std::vector<double> weight(static_cast<std::size_t>(n));
        double sum = 0;
        for (std::int64_t k = 0; k < n; ++k) {
          double dot = 0;
          for (auto i = h * width; i < (h + 1) * width; ++i) dot += at_of(q, 0, i) * at_of(k, 1, i);
          sum += weight[static_cast<std::size_t>(k)] = std::exp(dot / std::sqrt(double{width}));
        }
        for (auto i = h * width; i < (h + 1) * width; ++i) {
          double value = 0;
          for (std::int64_t k = 0; k < n; ++k) value += weight[static_cast<std::size_t>(k)] / sum * at_of(k, 2, i);
          out[static_cast<std::size_t>(q * hidden + i)] = static_cast<float>(value);
        }
      }
    return out;
  }

  const std::vector<std::vector<std::int32_t>> ids_{{1, 2, 3, 4, 5}, {6, 7}, {8}, {9, 10, 11}, {12, 13}};
  std::mt19937 random_{5};
  std::normal_distribution<float> normal_;
};

TEST_F(layers, attention_is_among_the_tokens_of_a_row) {
  const c10::InferenceMode inference;
  const auto of_rows = qkv_of_rows();
  for (const bool gpu : {false, true}) {
    const auto p = pack(rows(), gpu);
    const packed_attention attention(heads, hidden, gpu);
    const auto out = unpack_tokens(attention.of_all(packed_like(p, of_rows), p), p, rows());
    ASSERT_EQ(out.width, hidden);
    for (std::size_t r = 0; r < ids_.size(); ++r) {
      const auto wanted = expected(of_rows[r]);
      const auto given = out.lines_of(r);
      ASSERT_EQ(given.size(), wanted.size());
      for (std::size_t i = 0; i < wanted.size(); ++i)
        EXPECT_NEAR(given[i], wanted[i], 1e-5) << gpu << ' ' << r << ' ' << i;
    }
  }
}

TEST_F(layers, first_tokens_are_told_what_they_are_told_among_all) {
  const c10::InferenceMode inference;
  const auto of_rows = qkv_of_rows();
  for (const bool gpu : {false, true}) {
    const auto p = pack(rows(), gpu);
    const packed_attention attention(heads, hidden, gpu);
    const auto filler = random(p.firsts.size(0), hidden);
    const auto firsts = attention.of_firsts(packed_like(p, of_rows), filler, p);
    ASSERT_EQ(firsts.size(0), p.firsts.size(0)) << "as many lines as are computed further";
    const auto out = unpack_rows(firsts, p);
    for (std::size_t r = 0; r < ids_.size(); ++r) {
      const auto wanted = expected(of_rows[r]);
      for (std::size_t i = 0; i < static_cast<std::size_t>(hidden); ++i)
        EXPECT_NEAR(out.lines_of(r)[i], wanted[i], 1e-5) << gpu << ' ' << r << ' ' << i;
    }
  }
}

// By whichever kernel this CPU has for it. [rows, heads, length, width] out of lines that hold q, k and v.
TEST_F(layers, attention_in_bf16_is_what_it_is_in_fp32) {
  constexpr std::int64_t rows = 3, width = 32, line = 3 * heads * width;
  for (const std::int64_t length : {1, 2, 31, 33, 200})
    for (const std::int64_t queries : {std::int64_t{1}, length}) {
      const auto qkv = random(rows * length, line).to(at::kBFloat16);
      const auto part = [&](std::int64_t n, std::int64_t count) {
        return qkv.as_strided({rows, heads, count, width}, {length * line, width, line, 1}, n * heads * width);
      };
      const auto q = part(0, queries), k = part(1, length), v = part(2, length);
      const auto out = at::zeros({rows, queries, heads, width}, at::kBFloat16);
      attend_by_heads(q, k, v, {}, out);
      const auto scores = at::matmul(q.to(at::kFloat), k.to(at::kFloat).transpose(2, 3)).div(std::sqrt(width));
      const auto wanted = at::matmul(at::softmax(scores, -1), v.to(at::kFloat)).transpose(1, 2);
      EXPECT_TRUE(at::allclose(out.to(at::kFloat), wanted, 2e-2, 2e-2)) << length << ' ' << queries;
      // And a row alone is the same to the bit.
      const auto alone = at::zeros({1, queries, heads, width}, at::kBFloat16);
      attend_by_heads(q.narrow(0, 1, 1), k.narrow(0, 1, 1), v.narrow(0, 1, 1), {}, alone);
      EXPECT_TRUE(alone[0].equal(out[1])) << length << ' ' << queries;
    }
}

TEST_F(layers, linears_and_norms_are_what_they_are_called) {
  const c10::InferenceMode inference;
  const auto x = random(3, hidden), residual = random(3, 4);
  const linear l{random(4, hidden), random(1, 4).reshape({4})};
  const auto plain = x.matmul(l.weight.t()).add(l.bias);
  EXPECT_TRUE(at::allclose(apply(l, x), plain, 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(apply(l, x, after(activation::relu)), plain.relu(), 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(apply_and_add(l, x, residual), plain.add(residual), 1e-4, 1e-5));
  const norm n{random(1, hidden).reshape({hidden}), random(1, hidden).reshape({hidden})};
  const auto centred = x.sub(x.mean(at::IntArrayRef{1}, true));
  const auto wanted =
      centred.div(centred.mul(centred).mean(at::IntArrayRef{1}, true).add(1e-6).sqrt()).mul(n.weight).add(n.bias);
  EXPECT_TRUE(at::allclose(normalize(n, x, 1e-6), wanted, 1e-4, 1e-5));
}

TEST_F(layers, each_activation_has_its_kernel) {
  EXPECT_EQ(after(activation::gelu), after_linear::gelu);
  EXPECT_EQ(after(activation::gelu_tanh), after_linear::gelu_tanh);
  EXPECT_EQ(after(activation::relu), after_linear::relu);
  EXPECT_EQ(after(activation::silu), after_linear::silu);
}

}  // namespace
}  // namespace troupe::inference
