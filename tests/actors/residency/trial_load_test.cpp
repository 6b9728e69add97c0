#include "actors/residency/trial_load.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "inference/files/ready_copies.hpp"
#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
namespace fs = std::filesystem;

struct TrialLoad : ::testing::Test {
  fs::path store;
  std::shared_ptr<load_order> order = std::make_shared<load_order>();
  inference::load_options options;
  std::vector<double> with_s{0.9, 0.3, 0.2, 0.4}, without_s{0.6, 0.5, 0.7};  // one load after the other
  std::vector<std::string> done;                                             // "with", "without", "free"
  bool writes = true;
  std::size_t fails_at = ~std::size_t{0};
  trial_hands hands{
      [this](const std::shared_ptr<load_order>&, const inference::load_options& how) {
        const bool with = !how.store.empty();
        if (done.size() == fails_at)
          return std::make_shared<load_outcome>(tl::unexpected(error{error_code::cancelled, "called off", {}, {}}));
        done.push_back(with ? "with" : "without");
        if (with && writes)
          std::ofstream(how.store / (inference::ready_key(order->spec.path) + "-1.safetensors")) << "12345";
        auto& times = with ? with_s : without_s;
        loaded_model out;
        out.model = std::make_unique<fake_model>(with ? 1000 : 3000, 0);
        out.load_time_s = times.front();
        times.erase(times.begin());
        return std::make_shared<load_outcome>(std::move(out));
      },
      [this](std::unique_ptr<const inference::model> m) {
        EXPECT_TRUE(m);
        done.push_back("free");
      }};

  void SetUp() override {
    auto name = (fs::temp_directory_path() / "troupe-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    store = options.store = name;
    order->model = std::string("m");
    order->spec.path = "/models/m";
  }
  void TearDown() override { fs::remove_all(store); }
};

TEST_F(TrialLoad, TheQuickestOfEachKindCountsButForTheLoadThatWrites) {
  const auto got = trial_load(order, options, hands);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->model, "m");
  EXPECT_EQ(got->copy_bytes, 5u);
  EXPECT_EQ(got->without_copy->first_answer_s, 0.5);
  EXPECT_EQ(got->without_copy->private_bytes, 3000u);
  EXPECT_EQ(got->with_copy->first_answer_s, 0.2);
  EXPECT_EQ(got->with_copy->private_bytes, 1000u);
  const std::vector<std::string> each{"with", "free", "without", "free",    "with", "free", "without",
                                      "free", "with", "free",    "without", "free", "with", "free"};
  EXPECT_EQ(done, each) << "one at a time";
}

TEST_F(TrialLoad, WhatHasNoCopyIsMeasuredOnce) {
  writes = false;
  const auto got = trial_load(order, options, hands);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->copy_bytes, 0u);
  EXPECT_FALSE(got->with_copy);
  EXPECT_EQ(got->without_copy->first_answer_s, 0.6);
  EXPECT_EQ(done.size(), 4u);
}

TEST_F(TrialLoad, AFailureEndsIt) {
  for (const std::size_t at : {0u, 2u, 4u}) {
    done.clear();
    fails_at = at;
    with_s = without_s = {1, 1, 1};
    const auto got = trial_load(order, options, hands);
    ASSERT_FALSE(got) << at;
    EXPECT_EQ(got.error().message, "called off");
    EXPECT_EQ(done.size(), at);
  }
}

}  // namespace
}  // namespace troupe::actors
