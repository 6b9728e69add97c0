#include "actors/sessions/speech_segments.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace troupe::actors {
namespace {

constexpr std::uint32_t rate_hz = 1000;

// Samples that tell their place; as loud everywhere as matters here.
std::vector<float> places(std::uint64_t from, std::uint64_t to) {
  std::vector<float> out(to - from);
  std::iota(out.begin(), out.end(), 100000.0F + static_cast<float>(from));
  return out;
}

void expect_places(const speech_segment& s) { EXPECT_EQ(s.sound, places(s.first, s.first + s.sound.size())); }

TEST(speech_segments, an_utterance_is_one) {
  speech_segments all(rate_hz);
  EXPECT_TRUE(all.add({500, places(500, 900), true, false}).empty());
  EXPECT_TRUE(all.add({900, places(900, 1000), false, true}).empty()) << "it may go on";
  const auto got = all.finish();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].first, 500u);
  EXPECT_EQ(got[0].sound, places(500, 1000));
  EXPECT_TRUE(all.finish().empty());
}

TEST(speech_segments, neighbours_stay_apart) {
  speech_segments all(rate_hz);
  EXPECT_TRUE(all.add({0, places(0, 100), true, true}).empty());
  const auto before = all.add({101, places(101, 300), true, true});
  ASSERT_EQ(before.size(), 1u);
  EXPECT_EQ(before[0].sound, places(0, 100));
  const auto last = all.finish();
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0].first, 101u);
  EXPECT_EQ(last[0].sound, places(101, 300));
}

// Ended in the middle of a word, most likely: the quietest place is a better one.
TEST(speech_segments, what_was_ended_for_its_length_goes_on) {
  speech_segments all(rate_hz, {.segment_s_min = 1, .segment_s_max = 2});
  EXPECT_TRUE(all.add({0, places(0, 1500), true, true}).empty());
  const auto first = all.add({1500, places(1500, 2500), true, true});
  ASSERT_EQ(first.size(), 1u);
  EXPECT_NE(first[0].sound.size(), 1500u);
  expect_places(first[0]);
  const auto rest = all.finish();
  ASSERT_EQ(rest.size(), 1u);
  expect_places(rest[0]);
  EXPECT_EQ(rest[0].first + rest[0].sound.size(), 2500u);
}

TEST(speech_segments, what_has_no_sound_is_none) {
  speech_segments all(rate_hz);
  EXPECT_TRUE(all.finish().empty());
  EXPECT_TRUE(all.add({70, {}, true, true}).empty());
  EXPECT_TRUE(all.add({90, {}, true, false}).empty());
  EXPECT_TRUE(all.add({90, {}, false, true}).empty());
  EXPECT_TRUE(all.add({95, places(95, 96), true, true}).empty());
  EXPECT_EQ(all.finish().size(), 1u);
}

TEST(speech_segments, a_long_utterance_is_cut_before_it_has_ended) {
  speech_segments all(rate_hz, {.segment_s_min = 1, .segment_s_max = 2});
  const auto first = all.add({5000, places(5000, 10000), true, false});
  ASSERT_GE(first.size(), 2u);
  std::uint64_t at = 5000;
  for (const auto& s : first) {
    EXPECT_EQ(s.first, at);
    EXPECT_GE(s.sound.size(), 1000u);
    EXPECT_LE(s.sound.size(), 2000u);
    expect_places(s);
    at += s.sound.size();
  }
  EXPECT_LE(10000 - at, 2000u) << "what is kept";
  EXPECT_TRUE(all.add({10000, places(10000, 10001), false, true}).empty());
  const auto rest = all.finish();
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].first, at);
  EXPECT_EQ(rest[0].first + rest[0].sound.size(), 10001u);
}

TEST(speech_segments, pieces_change_nothing) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> level(-1, 1);
  for (int round = 0; round < 50; ++round) {
    std::vector<float> sound(1 + random() % 9000);
    for (auto& s : sound) s = level(random);
    std::vector<std::vector<std::pair<std::uint64_t, std::vector<float>>>> heard(2);
    for (std::size_t way = 0; way < heard.size(); ++way) {
      speech_segments all(rate_hz, {.segment_s_min = 1, .segment_s_max = 2});
      for (std::size_t at = 0; at < sound.size();) {
        const auto n = way == 0 ? sound.size() : std::min<std::size_t>(1 + random() % 700, sound.size() - at);
        const auto from = sound.begin() + static_cast<std::ptrdiff_t>(at);
        sound_piece piece{40 + at, {from, from + static_cast<std::ptrdiff_t>(n)}, at == 0, at + n == sound.size()};
        for (auto& s : all.add(std::move(piece))) heard[way].emplace_back(s.first, std::move(s.sound));
        at += n;
      }
      for (auto& s : all.finish()) heard[way].emplace_back(s.first, std::move(s.sound));
    }
    EXPECT_EQ(heard[1], heard[0]);
    std::vector<float> whole;
    for (const auto& [first, part] : heard[0]) {
      EXPECT_EQ(first, 40 + whole.size());
      whole.insert(whole.end(), part.begin(), part.end());
    }
    EXPECT_EQ(whole, sound);
  }
}

}  // namespace
}  // namespace troupe::actors
