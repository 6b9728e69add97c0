// Against torchaudio's kaldi.fbank (tests/parity/make_audio.py).

#include "inference/audio/fbank.hpp"

#include "tests/inference/audio/support.hpp"

namespace troupe::inference::tests {
namespace {

std::vector<float> banks(const std::shared_ptr<const fbank_tables>& tables, std::span<const float> samples) {
  std::vector<float> out;
  fbank(tables).accept(samples, out);
  return out;
}

TEST(fbank, is_what_torchaudio_makes) {
  const auto sound = fixture_sound();
  const auto expected = read_numbers<float>(audio_fixtures() / "fbank.f32");
  const auto tables = *fbank_tables::make({});
  EXPECT_EQ(tables->fft_size(), 512U);
  EXPECT_EQ(tables->frames(sound.size()) * 80, expected.size());
  const auto difference = largest_difference(banks(tables, sound), expected);
  RecordProperty("largest_difference", std::to_string(difference));
  EXPECT_LT(difference, 3e-4);  // 1.2e-4 where a clipped tone leaves a band 75 dB down; the mean is 1.1e-6
}

TEST(fbank, other_settings) {
  const auto sound = fixture_sound();
  const auto tables = *fbank_tables::make({8000, "hamming", 23, 32, 16});
  EXPECT_EQ(tables->frame_samples(), 256U);
  EXPECT_EQ(tables->shift_samples(), 128U);
  EXPECT_LT(largest_difference(banks(tables, sound), read_numbers<float>(audio_fixtures() / "fbank_8k.f32")), 1e-3);
}

TEST(fbank, any_split_gives_the_same_bits) {
  const auto sound = fixture_sound();
  const auto tables = *fbank_tables::make({});
  const auto whole = banks(tables, sound);
  std::mt19937 random(printed_seed());
  for (int round = 0; round < 8; ++round) {
    fbank stream(tables);
    std::vector<float> out;
    in_pieces<float>(sound, random, 5000, [&](auto piece) { stream.accept(piece, out); });
    EXPECT_EQ(out, whole);
  }
}

TEST(fbank, only_frames_that_fit) {
  const auto tables = *fbank_tables::make({});
  const std::vector<float> silence(2000);
  for (const auto& [samples, frames] : {std::pair{0, 0}, {1, 0}, {399, 0}, {400, 1}, {559, 1}, {560, 2}, {960, 4}}) {
    EXPECT_EQ(banks(tables, std::span(silence).first(samples)).size(), frames * 80U) << samples;
    EXPECT_EQ(tables->frames(samples), static_cast<std::uint64_t>(frames));
  }
}

TEST(fbank, what_is_no_sound_is_silence) {
  const auto tables = *fbank_tables::make({});
  const auto silent = banks(tables, std::vector<float>(400));
  EXPECT_FLOAT_EQ(silent[0], -15.942385F);  // log(FLT_EPSILON)
  for (const float bad : {NAN, INFINITY, -INFINITY, 3e38F})
    EXPECT_EQ(banks(tables, std::vector<float>(400, bad)), silent);
  // The loudest that is let through: no infinity comes out.
  auto loud = tone(1000, 16000, 0.1, 1e6);
  for (const auto value : banks(tables, loud)) EXPECT_TRUE(std::isfinite(value));
}

TEST(fbank, settings_that_cannot_be_had) {
  const auto problem = [](fbank_settings s) {
    const auto made = fbank_tables::make(s);
    return made ? std::string() : made.error().message;
  };
  EXPECT_NE(problem({.window = "kaiser"}).find("window 'kaiser'"), std::string::npos);
  EXPECT_NE(problem({.rate_hz = 0}).find("rate"), std::string::npos);
  EXPECT_NE(problem({.mels = 3}).find("n_mels, 3"), std::string::npos);
  EXPECT_NE(problem({.frame_length_ms = NAN}).find("frame_length"), std::string::npos);
  EXPECT_NE(problem({.frame_shift_ms = 0}).find("frame_shift"), std::string::npos);
  EXPECT_NE(problem({.frame_shift_ms = 30}).find("frame_shift"), std::string::npos);
}

}  // namespace
}  // namespace troupe::inference::tests
