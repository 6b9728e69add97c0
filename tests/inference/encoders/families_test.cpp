// Each family's network and heads against transformers' (tests/parity/make_families.py), row by row and all at once.

#include <algorithm>
#include <cmath>

#include "inference/files/checkpoint.hpp"
#include "inference/files/weights.hpp"
#include "inference/tables.hpp"
#include "inference/torch/bf16_panel_linear.hpp"
#include "inference/torch/panel_linear.hpp"
#include "inference/torch/runtime.hpp"
#include "inference/torch/thread_share.hpp"
#include "tests/inference/encoders/expected_rows.hpp"

namespace troupe::inference::tests {
namespace {

class families : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() { initialise_runtime(); }

  std::shared_ptr<const encoder> network_of(precision what = precision::fp32, bool panels = false) {
    const auto folder = fixtures() / "inference" / "families" / GetParam();
    auto json = model_json::read(folder / "config.json", 1U << 20U);
    if (!json) throw std::runtime_error(json.error().message);
    const std::string_view name(json->root()["architectures"].at(0));
    for (const auto& row : architectures()) {
      if (row.class_name != name) continue;
      const auto config = row.read(*json);
      if (!config) throw std::runtime_error(config.error().message + " / " + config.error().detail);
      const auto source = checkpoint::open(folder, 0);
      if (!source) throw std::runtime_error(source.error().message);
      auto plan = (*config)->plan(*source);
      if (!plan) throw std::runtime_error(plan.error().message + " / " + plan.error().detail);
      weight_request request;
      request.plan = plan->tensors;
      request.target = what;
      request.source = folder;
      request.panels = panels;
      auto weights = load_weights(request, *source);
      if (!weights) throw std::runtime_error(weights.error().message);
      return (*config)->make(std::move(*weights), "cpu");
    }
    throw std::runtime_error("no such class");
  }

  void compare(const encoder& network, network_output what, double tolerance = 1e-5) {
    const auto rows = expected_of(fixtures() / "inference" / "families" / GetParam());
    const auto lane = network.make_lane();
    std::vector<token_row> all;
    for (const auto& r : rows) all.push_back(r.in());
    const auto together = network.run(all, what, *lane);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = rows[i].in();
      const auto alone = network.run(std::span(&row, 1), what, *lane);
      const auto& wanted = rows[i].of(what);
      ASSERT_EQ(alone.lines_of(0).size(), wanted.size()) << "row " << i;
      ASSERT_EQ(together.lines_of(i).size(), wanted.size()) << "row " << i;
      double most = 0;
      for (const auto v : wanted) most = std::max(most, std::abs(v));
      for (std::size_t k = 0; k < wanted.size(); ++k) {
        EXPECT_NEAR(alone.lines_of(0)[k], wanted[k], tolerance * (1 + most)) << "row " << i << " number " << k;
        EXPECT_NEAR(together.lines_of(i)[k], wanted[k], tolerance * (1 + most)) << "row " << i << " number " << k;
      }
    }
  }
};

TEST_P(families, agrees_with_transformers) {
  const auto& name = GetParam();
  for (const bool on_panels_and_two_threads : {false, true}) {
    const auto network = network_of(precision::fp32, on_panels_and_two_threads && has_panel_linear());
    use_threads({.threads = on_panels_and_two_threads ? 2 : 1});
    if (name.ends_with("_sequence")) {
      compare(*network, network_output::logits);
      continue;
    }
    compare(*network, network_output::token_logits);
    if (name.ends_with("_mask")) compare(*network, network_output::token_states);
  }
  use_threads({});
}

// Far enough from a mistake, near enough for weights as sharp as these.
TEST_P(families, is_near_that_in_bf16_on_panels_by_two_threads) {
  if (!has_bf16_panel_linear()) GTEST_SKIP() << "this CPU or LibTorch has no kernel";
  const auto network = network_of(precision::bf16, true);
  const auto& name = GetParam();
  use_threads({.threads = 2});
  compare(*network, name.ends_with("_sequence") ? network_output::logits : network_output::token_logits, 0.1);
  use_threads({});
}

TEST_P(families, is_near_that_in_int8) {
  const auto network = network_of(precision::int8);
  const auto& name = GetParam();
  compare(*network, name.ends_with("_sequence") ? network_output::logits : network_output::token_logits, 0.25);
}

INSTANTIATE_TEST_SUITE_P(all, families, testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const auto& e : fs::directory_iterator(fixtures() / "inference" / "families"))
                             names.push_back(e.path().filename().string());
                           std::sort(names.begin(), names.end());
                           return names;
                         }()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace troupe::inference::tests
