#include "inference/audio/resample.hpp"

#include "tests/inference/audio/support.hpp"

namespace troupe::inference::tests {
namespace {

constexpr std::uint32_t rates[] = {8000,  11025, 12000, 16000, 22050, 24000,  32000,
                                   44100, 44101, 48000, 88200, 96000, 176400, 192000};

std::vector<float> resampled(std::span<const float> in, std::uint32_t rate_hz) {
  auto r = resampler::make(rate_hz, 16000);
  EXPECT_TRUE(r);
  std::vector<float> out;
  EXPECT_TRUE(r->accept(in, out));
  EXPECT_TRUE(r->finish(out));
  return out;
}

TEST(resampler, tones_stay_what_they_are) {
  for (const auto rate : rates) {
    for (const double hz : {120.0, 1000.0, 3400.0}) {
      const auto out = resampled(tone(hz, rate, 1), rate), expected = tone(hz, 16000, 1);
      ASSERT_NEAR(static_cast<double>(out.size()), 16000, 1) << rate;
      const auto middle = [](const std::vector<float>& x) { return std::span(x).subspan(1600, 12800); };
      EXPECT_LT(largest_difference(middle(out), middle(expected)), 1e-3) << rate << " Hz, tone of " << hz;
    }
  }
}

TEST(resampler, what_is_above_half_the_rate_does_not_fold_back) {
  for (const auto rate : {32000U, 44100U, 48000U, 192000U}) {
    const auto out = resampled(tone(9500, rate, 1), rate);
    double loudest = 0;
    for (const auto x : std::span(out).subspan(1600, 12800))
      loudest = std::max(loudest, std::abs(static_cast<double>(x)));
    EXPECT_LT(loudest, 1e-4) << rate;
  }
}

TEST(resampler, any_split_gives_the_same_bits) {
  std::mt19937 random(printed_seed());
  std::normal_distribution<float> noise(0, 0.2F);
  for (const auto rate : rates) {
    std::vector<float> in(rate / 2 + random() % 1000);
    for (auto& x : in) x = noise(random);
    const auto whole = resampled(in, rate);
    for (int round = 0; round < 3; ++round) {
      auto r = resampler::make(rate, 16000);
      std::vector<float> out;
      in_pieces<float>(in, random, 6000, [&](auto piece) { ASSERT_TRUE(r->accept(piece, out)); });
      ASSERT_TRUE(r->finish(out));
      EXPECT_EQ(out, whole) << rate;
    }
  }
}

TEST(resampler, holds_back_at_most_30_ms) {
  for (const auto rate : rates) {
    auto r = resampler::make(rate, 16000);
    const std::vector<float> piece(rate / 100);
    std::vector<float> out;
    double given_s = 0, held_s = 0;
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(r->accept(piece, out));
      given_s += static_cast<double>(piece.size()) / rate;
      held_s = std::max(held_s, given_s - static_cast<double>(out.size()) / 16000);
    }
    EXPECT_LT(held_s, 0.030) << rate;
  }
}

TEST(resampler, short_and_empty_sounds) {
  for (const auto rate : rates)
    for (const std::size_t size : {0, 1, 2, 17}) {
      const auto out = resampled(std::vector<float>(size, 0.5F), rate);
      EXPECT_NEAR(static_cast<double>(out.size()), static_cast<double>(size) * 16000 / rate, 1) << rate;
    }
}

TEST(resampler, what_is_no_number_is_silence) {
  for (const auto rate : {8000U, 16000U, 44100U}) {
    auto in = tone(1000, rate, 0.2), clean = in;
    in[500] = NAN;
    in[501] = INFINITY;
    clean[500] = clean[501] = 0;
    EXPECT_EQ(resampled(in, rate), resampled(clean, rate));
  }
}

TEST(resampler, rates_out_of_range) {
  for (const auto rate : {0U, 1U, 7999U, 192001U, 4294967295U}) {
    const auto r = resampler::make(rate, 16000);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, error_code::unprocessable);
    EXPECT_NE(r.error().message.find(std::to_string(rate) + " Hz"), std::string::npos);
  }
}

}  // namespace
}  // namespace troupe::inference::tests
