#include "actors/sessions/ear.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace troupe::actors {
namespace {

using inference::voice_activity;

// Samples that tell their place, at 1000 Hz.
std::vector<float> places(std::uint64_t from, std::uint64_t to) {
  std::vector<float> out(to - from);
  std::iota(out.begin(), out.end(), static_cast<float>(from));
  return out;
}

struct utterance {
  std::uint64_t first;
  std::vector<float> sound;
  bool ended;
  bool operator==(const utterance&) const = default;
};

struct listened {
  ear hears{1000};
  std::vector<utterance> all;
  std::uint64_t accepted = 0, dropped = 0;
  void accept(std::uint64_t n) {
    hears.accept(places(accepted, accepted + n));
    accepted += n;
  }
  void decide(const voice_activity& told) {
    auto v = hears.decide(told);
    dropped += v.dropped;
    for (auto& p : v.pieces) {
      if (p.begins) all.push_back({p.first, {}, false});
      ASSERT_FALSE(all.empty() || all.back().ended);
      auto& u = all.back();
      EXPECT_EQ(p.first, u.first + u.sound.size());
      u.sound.insert(u.sound.end(), p.sound.begin(), p.sound.end());
      u.ended = p.ends;
    }
    std::uint64_t kept = hears.held_samples() + dropped;
    for (const auto& u : all) kept += u.sound.size();
    EXPECT_EQ(kept, accepted) << "every sample is somewhere";
  }
};

TEST(ear, silence_is_dropped_as_soon_as_it_is_decided) {
  listened l;
  l.accept(500);
  l.decide({{}, false, 0.5, 0.1});
  EXPECT_EQ(l.dropped, 100u);
  l.accept(500);
  l.decide({{}, false, 1, 0.6});
  EXPECT_EQ(l.hears.held_samples(), 400u);
  EXPECT_TRUE(l.all.empty());
}

TEST(ear, hands_on_what_lies_between_begin_and_end) {
  listened l;
  l.accept(1000);
  l.decide({{{0.3, {}}}, false, 1, 0.8});
  EXPECT_EQ(l.all, (std::vector<utterance>{{300, places(300, 800), false}}));
  EXPECT_TRUE(l.hears.in_speech());
  l.accept(1000);
  l.decide({{{{}, 1.2}, {1.5, {}}}, false, 2, 1.9});
  EXPECT_EQ(l.all, (std::vector<utterance>{{300, places(300, 1200), true}, {1500, places(1500, 1900), false}}));
  EXPECT_EQ(l.dropped, 600u);
}

TEST(ear, several_utterances_in_one_answer) {
  listened l;
  l.accept(1000);
  l.decide({{{0.1, 0.2}, {0.2, 0.4}, {0.7, {}}}, false, 1, 1});
  EXPECT_EQ(l.all, (std::vector<utterance>{
                       {100, places(100, 200), true}, {200, places(200, 400), true}, {700, places(700, 1000), false}}));
}

TEST(ear, the_last_answer_leaves_nothing) {
  listened l;
  l.accept(1000);
  l.decide({{{0.5, {}}}, false, 1, 0.8});
  l.decide({{}, true, 1, 0.9});
  EXPECT_EQ(l.all, (std::vector<utterance>{{500, places(500, 900), true}}));
  EXPECT_EQ(l.hears.held_samples(), 0u);
}

TEST(ear, tells_when_a_sample_could_be_handed_on) {
  ear hears(1000);
  hears.accept(places(0, 1000));
  hears.decide({{{0.3, {}}}, false, 1, 0.8});
  hears.accept(places(1000, 2000));
  hears.decide({{}, false, 2, 1.9});
  EXPECT_EQ(hears.known_after(700), 1000u);
  EXPECT_EQ(hears.known_after(801), 2000u);
  EXPECT_EQ(hears.known_after(1900), 2000u);
}

// However the sound and the answers are cut.
TEST(ear, cuts_change_nothing) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t total = 1000 + random() % 3000;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> speech;
    for (std::uint64_t at = random() % 500; at + 300 < total; at += random() % 500) {
      const auto begin = at;
      at += 1 + random() % 400;
      speech.emplace_back(begin, std::min(at, total));
    }
    listened l;
    std::size_t begun = 0, ended = 0;
    const auto s = [](std::uint64_t n) { return static_cast<double>(n) / 1000; };
    for (bool last = false; !last;) {
      l.accept(std::min<std::uint64_t>(random() % 300, total - l.accepted));
      last = l.accepted == total;
      // What it can know: all but the last 50 samples.
      const auto known = last ? total : l.accepted - std::min<std::uint64_t>(l.accepted, 50);
      voice_activity told{{}, last, s(l.accepted), s(known)};
      for (bool more = true; more;) {
        more = false;
        if (ended < begun && speech[ended].second <= known) {
          if (told.found.empty() || told.found.back().end_s) told.found.emplace_back();
          told.found.back().end_s = s(speech[ended++].second);
          more = true;
        } else if (ended == begun && begun < speech.size() && speech[begun].first <= known) {
          told.found.push_back({s(speech[begun++].first), {}});
          more = true;
        }
      }
      l.decide(told);
    }
    ASSERT_EQ(l.all.size(), speech.size());
    for (std::size_t i = 0; i < speech.size(); ++i)
      EXPECT_EQ(l.all[i], (utterance{speech[i].first, places(speech[i].first, speech[i].second), true}));
  }
}

}  // namespace
}  // namespace troupe::actors
