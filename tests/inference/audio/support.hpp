#pragma once
// What the tests of sound share: fixtures of tests/parity/make_audio.py, sounds, random splits.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iostream>
#include <numbers>
#include <random>
#include <span>
#include <vector>

#include "tests/inference/support.hpp"

namespace troupe::inference::tests {

inline fs::path audio_fixtures() { return fixtures() / "speech" / "audio"; }

template <class T>
std::vector<T> read_numbers(const fs::path& path) {
  const auto bytes = read_file(path);
  EXPECT_FALSE(bytes.empty()) << path;
  std::vector<T> out(bytes.size() / sizeof(T));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
  return out;
}

// The fixtures' sound, -1 .. 1 at 16 kHz.
inline std::vector<float> fixture_sound() {
  std::vector<float> out;
  for (const auto x : read_numbers<std::int16_t>(audio_fixtures() / "sound.s16"))
    out.push_back(static_cast<float>(x) / 32768.0F);
  return out;
}

inline std::vector<float> tone(double hz, double rate_hz, double seconds, double level = 0.5) {
  std::vector<float> out(static_cast<std::size_t>(rate_hz * seconds));
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<float>(level * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / rate_hz));
  return out;
}

inline std::uint32_t printed_seed() {
  const auto seed = std::random_device{}();
  std::cout << "seed " << seed << '\n';
  return seed;
}

// Calls take(piece) for pieces of random sizes, among them many small ones.
template <class T, class F>
void in_pieces(std::span<const T> all, std::mt19937& random, std::size_t size_max, F take) {
  while (!all.empty()) {
    const auto most = random() % 3 == 0 ? size_max : std::min<std::size_t>(size_max, 7);
    const auto piece = all.first(std::min<std::size_t>(1 + random() % most, all.size()));
    take(piece);
    all = all.subspan(piece.size());
  }
}

inline double largest_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double out = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const auto d = std::abs(static_cast<double>(a[i]) - b[i]);
    if (!(d <= out)) out = d;  // NaN counts
  }
  return out;
}

}  // namespace troupe::inference::tests
