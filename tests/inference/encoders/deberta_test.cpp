// DeBERTa against what transformers answers (tests/parity/make_deberta.py), and against itself.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include <c10/core/InferenceMode.h>

#include "inference/encoders/body.hpp"
#include "inference/encoders/deberta.hpp"
#include "inference/encoders/named_weights.hpp"
#include "inference/torch/panel_linear.hpp"
#include "inference/torch/runtime.hpp"
#include "inference/torch/thread_share.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

using lines = std::vector<std::vector<float>>;

struct expected_row {
  std::vector<std::int32_t> ids;
  std::vector<std::uint8_t> types;
  std::vector<std::uint32_t> picks;
  lines states, sequence, token, mask;

  token_row in(bool all = false) const { return {ids, types, all ? std::span<const std::uint32_t>() : picks}; }
};

lines lines_of(simdjson::dom::element of) {
  lines out;
  for (const auto line : of.get_array()) {
    out.emplace_back();
    for (const double v : line.get_array()) out.back().push_back(static_cast<float>(v));
  }
  return out;
}

template <class T>
std::vector<T> numbers_of(simdjson::dom::element of) {
  std::vector<T> out;
  for (const std::int64_t v : of.get_array()) out.push_back(static_cast<T>(v));
  return out;
}

fs::path folder_of(const std::string& name) { return fixtures() / "inference" / "deberta" / name; }

std::vector<expected_row> expected_of(const std::string& name) {
  simdjson::dom::parser parser;
  std::vector<expected_row> rows;
  for (const auto one : parser.load((folder_of(name) / "expected.json").string()).get_array())
    rows.push_back({numbers_of<std::int32_t>(one["ids"]), numbers_of<std::uint8_t>(one["types"]),
                    numbers_of<std::uint32_t>(one["picks"]), lines_of(one["states"]), lines_of(one["sequence"]),
                    lines_of(one["token"]), lines_of(one["mask"])});
  return rows;
}

family family_of(const std::string& name) { return name.starts_with("v1") ? deberta_v1() : deberta_v2(); }

template <class T>
T or_throw(result<T> made) {
  if (!made) throw std::runtime_error(made.error().message + " / " + made.error().detail);
  return std::move(*made);
}

model_json config_of(const std::string& name) {
  return or_throw(model_json::read(folder_of(name) / "config.json", 1 << 20));
}

loaded_weights weights_of(const std::string& name, std::vector<planned_tensor> plan, const checkpoint& source,
                          precision p, bool panels = false) {
  weight_request request;
  request.panels = panels && has_panel_linear();
  request.plan = std::move(plan);
  request.target = p;
  request.source = folder_of(name);
  return or_throw(load_weights(request, source));
}

std::shared_ptr<const encoder> load_one(const std::string& name, const std::string& suffix,
                                        precision p = precision::fp32, bool panels = false) {
  for (const auto& row : architectures_of(family_of(name)))
    if (row.class_name.ends_with(suffix)) {
      const auto config = or_throw(row.read(config_of(name)));
      const auto source = or_throw(checkpoint::open(folder_of(name), 0));
      auto plan = or_throw(config->plan(source));
      return config->make(weights_of(name, std::move(plan.tensors), source, p, panels), "cpu");
    }
  throw std::runtime_error("no such class");
}

lines run(const encoder& e, const std::vector<token_row>& rows, network_output wanted) {
  const auto lane = e.make_lane();
  const auto all = e.run(rows, wanted, *lane);
  lines out;
  for (std::size_t i = 0; i < all.values.size(); i += static_cast<std::size_t>(all.width))
    out.emplace_back(all.values.begin() + static_cast<std::ptrdiff_t>(i),
                     all.values.begin() + static_cast<std::ptrdiff_t>(i) + all.width);
  return out;
}

// The largest difference, as a part of the largest number of its line (or of 1).
double difference(const lines& a, const lines& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    EXPECT_EQ(a[i].size(), b[i].size());
    double scale = 1, most = 0;
    for (std::size_t k = 0; k < std::min(a[i].size(), b[i].size()); ++k) {
      scale = std::max(scale, std::abs(double{b[i][k]}));
      most = std::max(most, std::abs(double{a[i][k]} - double{b[i][k]}));
    }
    worst = std::max(worst, most / scale);
  }
  return worst;
}

struct one_output {
  const char* suffix;
  network_output what;
  lines expected_row::*expected;
};
constexpr one_output outputs[] = {
    {"V2Model", network_output::token_states, &expected_row::states},
    {"ForSequenceClassification", network_output::logits, &expected_row::sequence},
    {"ForTokenClassification", network_output::token_logits, &expected_row::token},
    {"ForMaskedLM", network_output::token_logits, &expected_row::mask},
};

std::string suffix_of(const one_output& o, const std::string& name) {
  return o.expected == &expected_row::states && name.starts_with("v1") ? "DebertaModel" : o.suffix;
}

class deberta : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() { initialise_runtime(); }
};

TEST_P(deberta, agrees_with_transformers_in_fp32_on_panels_by_two_threads) {
  const auto rows = expected_of(GetParam());
  use_threads({.threads = 2});
  for (const auto& o : outputs) {
    const auto e = load_one(GetParam(), suffix_of(o, GetParam()), precision::fp32, true);
    for (const auto& r : rows)
      EXPECT_LT(difference(run(*e, {r.in()}, o.what), r.*o.expected), 1e-5) << o.suffix << ", " << r.ids.size();
  }
  use_threads({});
}

TEST_P(deberta, agrees_with_transformers_in_fp32) {
  const auto rows = expected_of(GetParam());
  for (const auto& o : outputs) {
    const auto e = load_one(GetParam(), suffix_of(o, GetParam()));
    std::vector<token_row> in;
    lines expected;
    for (const auto& r : rows) {
      in.push_back(r.in());
      const auto& mine = r.*o.expected;
      expected.insert(expected.end(), mine.begin(), mine.end());
      EXPECT_LT(difference(run(*e, {r.in()}, o.what), mine), 1e-5) << o.suffix << ", " << r.ids.size() << " alone";
    }
    const auto together = difference(run(*e, in, o.what), expected);
    EXPECT_LT(together, 1e-5) << o.suffix;
    RecordProperty(std::string(o.suffix), std::to_string(together));
  }
}

TEST_P(deberta, agrees_with_transformers_in_bf16) {
  const auto rows = expected_of(GetParam());
  for (const auto& o : outputs) {
    const auto e = load_one(GetParam(), suffix_of(o, GetParam()), precision::bf16);
    std::vector<token_row> in;
    lines expected;
    for (const auto& r : rows) {
      in.push_back(r.in());
      expected.insert(expected.end(), (r.*o.expected).begin(), (r.*o.expected).end());
    }
    EXPECT_LT(difference(run(*e, in, o.what), expected), 8e-2) << o.suffix;
  }
}

TEST_P(deberta, a_row_does_not_depend_on_its_neighbours) {
  const auto rows = expected_of(GetParam());
  const auto e = load_one(GetParam(), suffix_of(outputs[0], GetParam()));
  std::vector<token_row> in;
  for (const auto& r : rows) in.push_back(r.in(true));
  in.insert(in.end(), in.begin(), in.end());
  const auto together = run(*e, in, network_output::token_states);
  auto next = together.begin();
  for (const auto& row : in) {
    const auto end = next + static_cast<std::ptrdiff_t>(row.ids.size());
    EXPECT_LT(difference(run(*e, {row}, network_output::token_states), {next, end}), 2e-6) << row.ids.size();
    next = end;
  }
}

// What a GPU computes, computed here.
TEST_P(deberta, padded_rows_are_as_packed_ones) {
  const auto family = family_of(GetParam());
  const auto config = or_throw(family.read(config_of(GetParam())));
  const auto source = or_throw(checkpoint::open(folder_of(GetParam()), 0));
  plan_writer writer(source, family.prefix);
  config->plan_body(writer);
  const auto loaded = weights_of(GetParam(), or_throw(writer.finish()).tensors, source, precision::fp32);
  const c10::InferenceMode inference;
  const auto body = config->make_body(named_weights(loaded, "cpu"), "cpu");
  const auto rows = expected_of(GetParam());
  std::vector<token_row> in;
  for (const auto& r : rows) in.push_back(r.in());
  const auto states = [&](bool padded) {
    const auto p = pack(in, padded);
    const auto picked = pick_tokens(in, p, true);
    const auto all = unpack_picked(body->states(p).index_select(0, picked.places), picked).values;
    const auto firsts = unpack_rows(body->first_states(p).narrow(0, 0, p.rows), p).values;
    return lines{all, firsts};
  };
  EXPECT_LT(difference(states(true), states(false)), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(checkpoints, deberta,
                         testing::Values("v3", "v3_long", "v2_xlarge", "own_projections", "keys_only", "queries_only",
                                         "far_buckets", "one_layer_conv", "absolute", "no_kinds", "v1", "v1_keys_only",
                                         "v1_queries_only", "v1_absolute"),
                         [](const auto& i) { return i.param; });

TEST(deberta_config, counts_what_is_kept_beside_the_weights) {
  initialise_runtime();
  const auto config = or_throw(architectures_of(deberta_v2()).front().read(config_of("v3")));
  const auto plan = or_throw(config->plan(or_throw(checkpoint::open(folder_of("v3"), 0))));
  EXPECT_GE(plan.private_bytes, 2U * 2 * 16 * 16 * sizeof(float)) << "2 layers, keys and queries, 16 lines of 16";
  EXPECT_EQ(plan.token_types, 0);
  EXPECT_EQ(config->shape().positions, 64);
}

TEST(deberta_config, refuses_by_name_what_it_does_not_know) {
  const auto refusal = [](const std::string& member) {
    const auto read = deberta_v2().read(or_throw(model_json::parse("{" + member + "}", "config.json")));
    return read ? std::string() : read.error().message;
  };
  EXPECT_EQ(refusal(R"("relative_attention": true, "pos_att_type": "c2p| P2C ")"), "");
  EXPECT_EQ(refusal(R"("pos_att_type": null, "norm_rel_ebd": "none", "conv_kernel_size": 0)"), "");
  for (const auto& [member, word] : {std::pair{R"("pos_att_type": "p2p|c2p")", "p2p"},
                                     {R"("pos_att_type": ["c2p", 3])", "pos_att_type[1]"},
                                     {R"("norm_rel_ebd": "batch_norm")", "batch_norm"},
                                     {R"("conv_kernel_size": 4)", "conv_kernel_size"},
                                     {R"("conv_kernel_size": 3, "conv_act": "elu")", "elu"},
                                     {R"("conv_kernel_size": 3, "conv_groups": 7)", "conv_groups"},
                                     {R"("relative_attention": true, "position_buckets": 1)", "position_buckets"},
                                     {R"("relative_attention": true, "position_buckets": 2000)", "position_buckets"},
                                     {R"("hidden_act": "mish")", "mish"},
                                     {R"("pooler_hidden_act": "linear")", "linear"},
                                     {R"("attention_head_size": 32)", "attention_head_size"},
                                     {R"("num_attention_heads": 7)", "num_attention_heads"}})
    EXPECT_NE(refusal(member).find(word), std::string::npos) << member << ": " << refusal(member);
}

TEST(deberta_network, runs_in_several_threads_at_once) {
  initialise_runtime();
  const auto e = load_one("v3", "V2Model");
  const auto rows = expected_of("v3");
  std::vector<token_row> in;
  for (const auto& r : rows) in.push_back(r.in());
  const auto alone = run(*e, in, network_output::token_states);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      set_thread_intra_op_threads(1);
      for (int i = 0; i < 20; ++i)
        if (difference(run(*e, in, network_output::token_states), alone) > 1e-5) ++wrong;
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace troupe::inference::tests
