// An offline Paraformer against FunASR's.

#include <random>

#include <gtest/gtest.h>

#include "inference/audio/front_end.hpp"
#include "inference/speech/speech_config.hpp"
#include "inference/torch/int8_support.hpp"
#include "inference/torch/runtime.hpp"
#include "tests/inference/speech/paraformer_support.hpp"

namespace troupe::inference {
namespace {

using namespace tests;

class paraformer_offline : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    initialise_runtime();
    model_ = loaded(paraformer_folder(false)).release();
    sound_ = paraformer_sound(128000, 5);
  }
  static void TearDownTestSuite() {
    delete model_;
    model_ = nullptr;
  }

  struct reference_case {
    std::size_t begin = 0, samples = 0;
    std::vector<std::int32_t> ids;
  };
  static std::vector<reference_case> cases() {
    const json_file expected(paraformer_folder(false) / "expected.json");
    std::vector<reference_case> all;
    const auto unknown = static_cast<std::int32_t>(model_->info().vocab_size - 1);
    for (const auto c : expected.root()["cases"].get_array()) {
      reference_case one{c["begin"].get_uint64().value(), c["samples"].get_uint64().value(), {}};
      for (const auto id : c["ids"].get_array())
        if (const auto i = static_cast<std::int32_t>(id.get_int64().value()); i > 2 && i != unknown)
          one.ids.push_back(i);
      all.push_back(std::move(one));
    }
    return all;
  }
  static samples sound(const reference_case& c) {
    const auto first = sound_.begin() + static_cast<std::ptrdiff_t>(c.begin);
    return {{first, first + static_cast<std::ptrdiff_t>(c.samples)}, 16000};
  }
  static std::vector<std::int32_t> ids_of(const row& r) {
    std::vector<std::int32_t> ids;
    for (const auto& t : std::get<transcript>(r.out).tokens) ids.push_back(t.id);
    return ids;
  }
  static std::vector<row> hear(const model& m, const std::vector<prepared_ptr>& inputs) {
    std::vector<row> rows(inputs.size());
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i].in = inputs[i].get();
    m.make_instance()->step(rows);
    return rows;
  }

  static inline const model* model_ = nullptr;
  static inline std::vector<float> sound_;
};

TEST_F(paraformer_offline, hears_what_funasr_hears_alone_and_together) {
  const auto all = cases();
  ASSERT_GT(all.size(), 5U);
  std::vector<prepared_ptr> inputs;
  for (const auto& c : all) {
    inputs.push_back(model_->prepare(input(sound(c))).value());
    std::vector<prepared_ptr> one;
    one.push_back(model_->prepare(input(sound(c))).value());
    EXPECT_EQ(ids_of(hear(*model_, one).front()), c.ids) << c.samples;
  }
  const auto rows = hear(*model_, inputs);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(ids_of(rows[i]), all[i].ids) << all[i].samples;
    const auto& t = std::get<transcript>(rows[i].out);
    EXPECT_TRUE(t.final);
    EXPECT_EQ(t.text.empty(), all[i].ids.empty());
    double before = 0;
    for (const auto& token : t.tokens) {
      EXPECT_GE(token.begin_s, before);
      EXPECT_LE(token.end_s, static_cast<double>(all[i].samples) / 16000 + 0.06);
      before = token.begin_s;
    }
  }
}

TEST_F(paraformer_offline, features_are_funasrs) {
  const auto config = model_yaml::read(paraformer_folder(false) / "config.yaml", 1 << 20).value();
  const auto settings = read_paraformer_settings(config).value();
  const auto norm = read_cmvn(paraformer_folder(false) / "am.mvn", 140).value();
  const auto front = front_end::make(settings.front, norm).value();
  const json_file expected(paraformer_folder(false) / "expected.json");
  const auto wanted = expected.root()["features"];
  const auto made = front->features(std::span(sound_).first(wanted["samples"].get_uint64().value()));
  std::size_t at = 0;
  for (const auto frame : wanted["frames"].get_array())
    for (const auto value : frame.get_array()) {
      ASSERT_LT(at, made.size());
      EXPECT_NEAR(made[at++], value.get_double().value(), 2e-3);
    }
  EXPECT_EQ(at, made.size());
}

TEST_F(paraformer_offline, fewer_bits_hear_nearly_the_same) {
  for (const auto what : {precision::bf16, precision::int8}) {
    if (what == precision::int8 && !has_int8_linear()) continue;
    const auto m = loaded(paraformer_folder(false), what);
    ASSERT_TRUE(m);
    std::vector<prepared_ptr> inputs;
    const auto all = cases();
    for (const auto& c : all) inputs.push_back(m->prepare(input(sound(c))).value());
    const auto rows = hear(*m, inputs);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto apart = std::abs(static_cast<double>(ids_of(rows[i]).size()) - static_cast<double>(all[i].ids.size()));
      EXPECT_LE(apart, 1 + 0.1 * static_cast<double>(all[i].ids.size())) << to_string(what);
    }
  }
}

TEST_F(paraformer_offline, other_rates_are_changed) {
  samples slow{{}, 8000};
  for (std::size_t i = 0; i < 40000; i += 2) slow.values.push_back(sound_[i]);
  std::vector<prepared_ptr> one;
  one.push_back(model_->prepare(input(std::move(slow))).value());
  EXPECT_EQ(one.front()->cost, 42U);  // 2.5 s
  EXPECT_NO_THROW(hear(*model_, one));
}

TEST_F(paraformer_offline, refuses_what_it_cannot_hear) {
  EXPECT_EQ(model_->prepare(input(std::string("a text"))).error().code, error_code::unprocessable);
  EXPECT_NE(model_->prepare(input(samples{{1.0F}, 1000})).error().message.find("1000"), std::string::npos);
  EXPECT_FALSE(model_->prepare(input(samples{{1.0F}, 0})));
  const auto too_long = model_->prepare(input(samples{std::vector<float>(301 * 16000), 16000}));
  ASSERT_FALSE(too_long);
  EXPECT_NE(too_long.error().message.find("301 s"), std::string::npos);
  EXPECT_FALSE(model_->prepare(input(samples{{1.0F}, 16000}), {task::text_classification, {}}));
  std::vector<prepared_ptr> one;
  one.push_back(model_->prepare(input(samples{{0.5F}, 16000})).value());
  EXPECT_EQ(std::get<transcript>(hear(*model_, one).front().out).text, "");
}

}  // namespace
}  // namespace troupe::inference
