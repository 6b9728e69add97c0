#include "inference/speech/endpoints.hpp"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "tests/inference/speech/fixtures.hpp"

namespace troupe::inference {
namespace {

using spans = std::vector<speech_span>;

std::int64_t number(simdjson::dom::element e) { return e.get_int64().value(); }

// [[begin, end], ..]; -1: not told.
spans spans_of(simdjson::dom::element list) {
  spans all;
  for (const auto one : list.get_array()) {
    auto& s = all.emplace_back();
    if (const auto ms = number(one.at(0)); ms >= 0) s.begin_ms = ms;
    if (const auto ms = number(one.at(1)); ms >= 0) s.end_ms = ms;
  }
  return all;
}

endpoint_settings settings_of(simdjson::dom::element one) {
  endpoint_settings s;
  for (const auto [key, value] : one.at_key("rules").get_object()) {
    if (key == "do_extend") s.extend = number(value) != 0;
    if (key == "max_end_silence_time") s.end_silence_ms = number(value);
    if (key == "max_single_segment_time") s.segment_ms_max = number(value);
    if (key == "window_size_ms") s.window_ms = number(value);
    if (key == "sil_to_speech_time_thres") s.to_speech_ms = number(value);
    if (key == "speech_to_sil_time_thres") s.to_silence_ms = number(value);
    if (key == "lookback_time_start_point") s.look_back_ms = number(value);
    if (key == "lookahead_time_end_point") s.look_ahead_ms = number(value);
    if (key == "speech_noise_thres") s.speech_threshold = value.get_double().value();
  }
  if (one.at_key("dynamic").get_bool().value()) s.dynamic = funasr_dynamic_silence();
  s.whole_segments = one.at_key("whole").get_bool().value();
  return s;
}

std::string shown(const spans& all) {
  std::string out;
  for (const auto& s : all)
    out += '[' + std::to_string(s.begin_ms.value_or(-1)) + ' ' + std::to_string(s.end_ms.value_or(-1)) + "] ";
  return out;
}

// FunASR's state machine, fed with the same numbers.
TEST(endpoints, as_the_reference) {
  tests::json_file file(tests::vad_fixtures() / "endpoints.json");
  std::size_t cases = 0, told = 0;
  for (const auto one : file.root().get_array()) {
    std::vector<double> frames;
    for (const auto run : one.at_key("runs").get_array())
      frames.insert(frames.end(), static_cast<std::size_t>(number(run.at(0))),
                    static_cast<double>(number(run.at(1))) / 1000);
    const auto chunk_ms = number(one.at_key("chunk_ms"));
    const auto size = static_cast<std::size_t>(chunk_ms / 10);
    endpoint_detector detector(settings_of(one));
    auto expected = one.at_key("told").get_array().begin();
    std::int64_t decided_ms = 0;
    for (std::size_t at = 0; at < frames.size(); at += size) {
      const auto part = std::span(frames).subspan(at, std::min(size, frames.size() - at));
      const auto made = detector.feed(part, chunk_ms, at + size >= frames.size());
      for (const auto& s : made) {
        EXPECT_GE(s.begin_ms.value_or(decided_ms), decided_ms) << "case " << cases;
        EXPECT_GE(s.end_ms.value_or(decided_ms), decided_ms) << "case " << cases;
      }
      EXPECT_GE(detector.decided_ms(), decided_ms) << "case " << cases;
      decided_ms = detector.decided_ms();
      if (made.empty()) continue;
      ++told;
      ASSERT_NE(expected, one.at_key("told").get_array().end()) << "case " << cases << ": " << shown(made);
      EXPECT_EQ(number((*expected).at(0)), static_cast<std::int64_t>(at / size)) << "case " << cases;
      EXPECT_EQ(shown(made), shown(spans_of((*expected).at(1)))) << "case " << cases;
      ++expected;
    }
    EXPECT_EQ(expected, one.at_key("told").get_array().end()) << "case " << cases;
    EXPECT_EQ(detector.frames(), static_cast<std::int64_t>(frames.size()));
    ++cases;
  }
  EXPECT_GT(cases, 50U);
  EXPECT_GT(told, 100U);
}

spans run(const endpoint_settings& s, std::initializer_list<std::pair<int, double>> runs) {
  std::vector<double> frames;
  for (const auto& [count, silence] : runs) frames.insert(frames.end(), static_cast<std::size_t>(count), silence);
  return endpoint_detector(s).feed(frames, 60'000, true);
}

TEST(endpoints, speech_between_silences) {
  // 1 s of silence, 1 s of speech, 2 s of silence: it begins 400 ms before the 15th frame of speech, and ends where 15
  // of 20 frames are left, and 100 ms more.
  EXPECT_EQ(run({}, {{100, 1.0}, {100, 0.0}, {200, 1.0}}), (spans{{740, 2160}}));
  EXPECT_EQ(run({}, {{300, 1.0}}), spans{});
  EXPECT_EQ(run({}, {{100, 1.0}, {14, 0.0}, {300, 1.0}}), spans{});
}

TEST(endpoints, ends_with_the_sound) {
  EXPECT_EQ(run({}, {{100, 0.0}}), (spans{{0, 1000}}));
  EXPECT_EQ(run({}, {}), spans{});
}

TEST(endpoints, what_is_no_probability_is_silence) { EXPECT_EQ(run({}, {{100, NAN}, {100, 2.0}}), spans{}); }

// However it is cut.
TEST(endpoints, chunks_do_not_matter_to_the_fixed_rules) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<double> frames;
  for (int i = 0; i < 60; ++i)
    frames.insert(frames.end(), random() % 120, static_cast<double>(random() % 1000) / 999.0);
  endpoint_settings whole;
  whole.whole_segments = true;
  const auto expected = endpoint_detector(whole).feed(frames, 60'000, true);
  endpoint_detector detector{endpoint_settings{}};
  spans made;
  for (std::size_t at = 0; at < frames.size();) {
    const auto size = std::min<std::size_t>(1 + random() % 50, frames.size() - at);
    for (const auto& s : detector.feed(std::span(frames).subspan(at, size), 10, at + size == frames.size())) {
      if (s.begin_ms) made.push_back(s);
      if (s.end_ms) made.back().end_ms = s.end_ms;
    }
    at += size;
  }
  // The last one may have begun so late that streaming tells no end.
  if (!made.empty() && !made.back().end_ms) made.back().end_ms = expected.back().end_ms;
  EXPECT_EQ(shown(made), shown(expected));
}

}  // namespace
}  // namespace troupe::inference
