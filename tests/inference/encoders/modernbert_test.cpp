// ModernBERT against what transformers answers (tests/parity/make_modernbert.py), and against itself.

#include "inference/encoders/modernbert.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <c10/core/InferenceMode.h>

#include "inference/encoders/local_attention.hpp"
#include "inference/files/checkpoint.hpp"
#include "inference/files/weights.hpp"
#include "inference/torch/fused_linear.hpp"
#include "inference/torch/panel_linear.hpp"
#include "inference/torch/runtime.hpp"
#include "inference/torch/thread_share.hpp"
#include "tests/inference/encoders/expected_rows.hpp"

namespace troupe::inference::tests {
namespace {

fs::path folder_of(const std::string& name) { return fixtures() / "inference" / "modernbert" / name; }

template <class T>
T or_throw(result<T> made) {
  if (!made) throw std::runtime_error(made.error().message + " / " + made.error().detail);
  return std::move(*made);
}

std::shared_ptr<const encoder> load_one(const std::string& name, precision p = precision::fp32, bool panels = false) {
  const auto json = or_throw(model_json::read(folder_of(name) / "config.json", 1 << 20));
  const std::string_view wanted = json.root()["architectures"].at(0);
  for (const auto& row : architectures_of(modernbert()))
    if (row.class_name == wanted) {
      const auto config = or_throw(row.read(json));
      const auto source = or_throw(checkpoint::open(folder_of(name), 0));
      weight_request request;
      request.plan = or_throw(config->plan(source)).tensors;
      request.target = p;
      request.source = folder_of(name);
      request.panels = panels && has_panel_linear();
      return config->make(or_throw(load_weights(request, source)), "cpu");
    }
  throw std::runtime_error("no such class");
}

// The largest difference in a row, as a part of its largest number.
double difference(std::span<const float> ours, const std::vector<double>& theirs) {
  EXPECT_EQ(ours.size(), theirs.size());
  double scale = 1e-3, most = 0;
  for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    scale = std::max(scale, std::abs(theirs[i]));
    most = std::max(most, std::abs(double{ours[i]} - theirs[i]));
    if (std::isnan(ours[i])) return 1;
  }
  return most / scale;
}

class modernberts : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() { initialise_runtime(); }

  // Each row alone, and all at once.
  void compare(const encoder& network, double tolerance) {
    const auto rows = expected_of(folder_of(GetParam()));
    std::vector<token_row> all;
    for (const auto& r : rows) all.push_back(r.in());
    const auto lane = network.make_lane();
    int compared = 0;
    for (const auto what : {network_output::logits, network_output::token_logits, network_output::token_states}) {
      if (rows.front().of(what).empty()) continue;
      ++compared;
      const auto together = network.run(all, what, *lane);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto alone = network.run(std::span(&all[i], 1), what, *lane);
        EXPECT_LT(difference(alone.lines_of(0), rows[i].of(what)), tolerance) << "row " << i;
        EXPECT_LT(difference(together.lines_of(i), rows[i].of(what)), tolerance) << "row " << i;
      }
    }
    EXPECT_GT(compared, 0);
  }
};

TEST_P(modernberts, agree_with_transformers) {
  for (const auto kernel : {linear_kernel::aten, linear_kernel::onednn}) {
    use_fp32_linear(kernel);
    compare(*load_one(GetParam()), 2e-5);
  }
  use_threads({.threads = 2});
  compare(*load_one(GetParam(), precision::fp32, true), 2e-5);
  use_threads({});
}

// Weights of 0.3 make attention so sharp that bf16 turns some of it over: the bound tells a mistake, not a rounding.
TEST_P(modernberts, run_in_bf16) { compare(*load_one(GetParam(), precision::bf16), 0.35); }

INSTANTIATE_TEST_SUITE_P(checkpoints, modernberts,
                         testing::Values("mask", "mask_untied", "sequence_cls", "sequence_local_last", "sequence_mean",
                                         "token", "bare"),
                         [](const auto& i) { return i.param; });

class local : public testing::Test {
 protected:
  static void SetUpTestSuite() { initialise_runtime(); }
};

// Against one product with the whole band masked.
TEST_F(local, attention_in_blocks_is_attention_in_a_band) {
  const c10::InferenceMode inference;
  constexpr std::int64_t heads = 2, width = 8, hidden = heads * width;
  for (const std::int64_t reach : {0, 4, 40, 300}) {
    std::vector<std::vector<std::int32_t>> ids;
    std::vector<token_row> rows;
    for (const std::size_t n : {1, 5, 6, 64, 64, 65, 200, 700}) ids.emplace_back(n, 1);
    for (const auto& i : ids) rows.push_back({i, {}, {}});
    const auto packed = pack(rows, false);
    const auto qkv = at::randn({packed.ids.size(0), 3 * hidden}, at::kFloat);
    const local_attention attention(heads, hidden, reach, qkv);
    const auto all = attention.of_all(qkv, packed);
    const auto firsts = attention.of_firsts(qkv, all, packed);
    for (const auto& g : packed.groups) {
      if (g.spare) continue;
      auto mask = at::full({g.length, g.length}, -std::numeric_limits<float>::infinity(), at::kFloat);
      for (std::int64_t i = 0; i < g.length; ++i)
        for (auto j = std::max<std::int64_t>(0, i - reach); j < std::min(g.length, i + reach + 1); ++j)
          mask.mutable_data_ptr<float>()[i * g.length + j] = 0;
      const auto part = [&](std::int64_t k) {
        return qkv.narrow(0, g.first, g.rows * g.length)
            .narrow(1, k * hidden, hidden)
            .reshape({g.rows, g.length, heads, width})
            .transpose(1, 2);
      };
      const auto wanted =
          at::scaled_dot_product_attention(part(0), part(1), part(2), mask).transpose(1, 2).reshape({-1, hidden});
      EXPECT_LT(all.narrow(0, g.first, g.rows * g.length).sub(wanted).abs().max().item<float>(), 1e-5F)
          << "length " << g.length << " reach " << reach;
      for (std::int64_t r = 0; r < g.rows; ++r)
        EXPECT_LT(firsts.select(0, g.first_row + r).sub(wanted.select(0, r * g.length)).abs().max().item<float>(),
                  1e-5F);
    }
  }
}

result<std::unique_ptr<const family_config>> read(const std::string& members) {
  return modernbert().read(or_throw(model_json::parse("{" + members + "}", "config.json")));
}

TEST(modernbert_config, refuses_by_name_what_it_does_not_know) {
  EXPECT_TRUE(read(""));
  for (const auto& [members, named] : std::vector<std::pair<std::string, std::string>>{
           {R"("hidden_activation": "quick_gelu")", "hidden_activation"},
           {R"("classifier_activation": "mish")", "classifier_activation"},
           {R"("classifier_pooling": "max")", "classifier_pooling"},
           {R"("num_attention_heads": 7)", "num_attention_heads"},
           {R"("hidden_size": 36)", "num_attention_heads"},
           {R"("head_dim": 32)", "head_dim"},
           {R"("global_attn_every_n_layers": 0)", "global_attn_every_n_layers"},
           {R"("local_attention": -1)", "local_attention"},
           {R"("num_hidden_layers": 2, "layer_types": ["full_attention"])", "layer_types"},
           {R"("num_hidden_layers": 1, "layer_types": ["chunked_attention"])", "layer_types[0]"},
           {R"("global_rope_theta": "many")", "global_rope_theta"},
           {R"("local_rope_theta": 0)", "local_rope_theta"},
           {R"("rope_scaling": {"type": "linear", "factor": 2})", "rope_scaling.type"},
           {R"("rope_parameters": {"rope_theta": 1000})", "rope_parameters.rope_theta"},
           {R"("rope_parameters": {"full_attention": {"rope_type": "yarn"}})",
            "rope_parameters.full_attention.rope_type"},
           {R"("rope_parameters": 3)", "rope_parameters"},
           {R"("norm_eps": 2)", "norm_eps"}}) {
    const auto made = read(members);
    ASSERT_FALSE(made) << members;
    EXPECT_EQ(made.error().code, error_code::unprocessable);
    EXPECT_NE(made.error().message.find("'" + named + "'"), std::string::npos) << made.error().message;
  }
}

TEST(modernbert_config, reads_every_form_of_rotary_positions) {
  EXPECT_TRUE(read(R"("global_rope_theta": 160000.0, "local_rope_theta": null, "rope_scaling": null)"));
  EXPECT_TRUE(read(R"("rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e6},
                                          "sliding_attention": null})"));
  EXPECT_TRUE(read(R"("rope_parameters": null, "sliding_window": 64, "layer_types": null)"));
}

}  // namespace
}  // namespace troupe::inference::tests
