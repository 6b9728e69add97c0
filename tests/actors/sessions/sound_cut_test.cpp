#include "actors/sessions/sound_cut.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

namespace troupe::actors {
namespace {

constexpr std::uint32_t rate_hz = 1000;

std::vector<float> noise(double seconds, std::uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> level(-1, 1);
  std::vector<float> out(static_cast<std::size_t>(seconds * rate_hz));
  for (auto& s : out) s = level(random);
  return out;
}
void quiet(std::vector<float>& sound, double begin_s, double end_s, float level = 0) {
  for (auto i = static_cast<std::size_t>(begin_s * rate_hz); i < static_cast<std::size_t>(end_s * rate_hz); ++i)
    sound[i] *= level;
}

TEST(sound_cut, what_is_short_enough_stays_whole) {
  for (const double s : {0.0, 0.001, 1.0, 29.9, 30.0}) {
    const auto sound = noise(s);
    EXPECT_EQ(next_cut(sound, rate_hz, true), sound.size());
    EXPECT_EQ(next_cut(sound, rate_hz, false), 0u) << "more may come, and a better place";
  }
}

TEST(sound_cut, the_quietest_place_is_taken) {
  auto sound = noise(31);
  quiet(sound, 17.0, 17.3, 0.1F);
  quiet(sound, 22.0, 22.2);
  const auto cut = next_cut(sound, rate_hz, false);
  EXPECT_GE(cut, 22000u);
  EXPECT_LE(cut, 22200u);
  EXPECT_EQ(next_cut(sound, rate_hz, true), cut);
}

TEST(sound_cut, neither_too_early_nor_too_late) {
  auto sound = noise(60);
  quiet(sound, 5, 6);
  quiet(sound, 40, 41);
  const auto cut = next_cut(sound, rate_hz, true);
  EXPECT_GE(cut, 15000u);
  EXPECT_LE(cut, 30000u);
  EXPECT_GT(next_cut(std::vector<float>(60000), rate_hz, true), 29000u) << "of silence as much as is allowed";
}

TEST(sound_cut, segments_make_the_whole_however_it_comes) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  auto sound = noise(100 + random() % 50, seed);
  for (int i = 0; i < 12; ++i) {
    const double at = random() % 90;
    quiet(sound, at, at + 0.3, 0.01F);
  }
  const auto cuts = [&](const std::function<std::size_t()>& piece) {
    std::vector<std::size_t> out;
    std::vector<float> held;
    std::size_t given = 0, sum = 0;
    while (true) {
      const auto count = std::min(piece(), sound.size() - given);
      held.insert(held.end(), sound.begin() + static_cast<std::ptrdiff_t>(given),
                  sound.begin() + static_cast<std::ptrdiff_t>(given + count));
      given += count;
      while (const auto cut = next_cut(held, rate_hz, given == sound.size())) {
        EXPECT_LE(cut, 30000u);
        held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(cut));
        out.push_back(cut);
        sum += cut;
      }
      if (given == sound.size()) break;
    }
    EXPECT_EQ(sum, sound.size());
    return out;
  };
  const auto whole = cuts([&] { return sound.size(); });
  EXPECT_EQ(cuts([&] { return std::size_t{1} + random() % 9000; }), whole);
}

}  // namespace
}  // namespace troupe::actors
