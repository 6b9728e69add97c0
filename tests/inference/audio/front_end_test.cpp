// Against FunASR's WavFrontend and WavFrontendOnline with dither 0 (tests/parity/make_audio.py).

#include "inference/audio/front_end.hpp"

#include "inference/files/files.hpp"
#include "tests/inference/audio/support.hpp"

namespace troupe::inference::tests {
namespace {

std::shared_ptr<const front_end> paraformer() {
  return *front_end::make({{}, 7, 6}, *read_cmvn(audio_fixtures() / "am.mvn", 560));
}
std::shared_ptr<const front_end> vad() { return *front_end::make({{}, 5, 1}, std::nullopt); }

TEST(front_end, is_what_funasr_makes) {
  const auto front = paraformer();
  EXPECT_EQ(front->width(), 560U);
  const auto difference =
      largest_difference(front->features(fixture_sound()), read_numbers<float>(audio_fixtures() / "features.f32"));
  RecordProperty("largest_difference", std::to_string(difference));
  EXPECT_LT(difference, 1e-4);  // 2.4e-5
}

TEST(front_end, gives_as_many_frames_a_call_as_funasr) {
  const auto sound = fixture_sound();
  const auto text = read_file(audio_fixtures() / "streams.json");
  simdjson::dom::parser parser;
  std::size_t streams = 0;
  for (auto s : parser.parse(text).get_array()) {
    ++streams;
    const auto front = s["m"].get_uint64().value() == 7 ? paraformer() : vad();
    front_end_stream stream(front);
    std::vector<float> out;
    std::size_t at = 0;
    auto given = s["given"].get_array().begin();
    for (auto p : s["pieces"].get_array()) {
      const auto size = p.get_uint64().value(), before = out.size();
      stream.accept(std::span(sound).subspan(at, size), out);
      at += size;
      EXPECT_EQ(out.size() / front->width(), front->frames(at, false));
      if (at == sound.size()) stream.finish(out);
      EXPECT_EQ((out.size() - before) / front->width(), (*given).get_uint64().value()) << "after " << at;
      ++given;
    }
    EXPECT_EQ(out.size() / front->width(), front->frames(at, true));
    EXPECT_EQ(out, front->features(sound));
  }
  EXPECT_EQ(streams, 10U);
}

TEST(front_end, any_split_gives_the_same_bits) {
  const auto sound = fixture_sound();
  std::mt19937 random(printed_seed());
  for (const auto& front : {paraformer(), vad(), *front_end::make({}, std::nullopt)})
    for (int round = 0; round < 4; ++round) {
      const auto part = std::span(sound).first(random() % sound.size());
      front_end_stream stream(front);
      std::vector<float> out;
      in_pieces<float>(part, random, 4000, [&](auto piece) { stream.accept(piece, out); });
      stream.finish(out);
      EXPECT_EQ(out, front->features(part)) << part.size();
    }
}

TEST(front_end, strides_of_600_ms_give_ten_frames) {
  front_end_stream stream(paraformer());
  const std::vector<float> stride(9600);
  for (int i = 0; i < 5; ++i) {
    std::vector<float> out;
    stream.accept(stride, out);
    EXPECT_EQ(out.size(), 10U * 560);
  }
}

TEST(front_end, short_sounds) {
  const auto front = paraformer();
  std::vector<float> out;
  front_end_stream stream(front);
  stream.finish(out);
  EXPECT_TRUE(out.empty());
  EXPECT_TRUE(front->features({}).empty());
  EXPECT_TRUE(front->features(std::vector<float>(399)).empty());
  EXPECT_EQ(front->features(std::vector<float>(400)).size(), 560U);
}

TEST(front_end, settings_that_cannot_be_had) {
  EXPECT_FALSE(front_end::make({{}, 0, 6}, std::nullopt));
  EXPECT_FALSE(front_end::make({{}, 7, 0}, std::nullopt));
  EXPECT_FALSE(front_end::make({{}, 1000, 6}, std::nullopt));
  EXPECT_FALSE(front_end::make({{.window = "povey"}, 7, 6}, std::nullopt));
}

}  // namespace
}  // namespace troupe::inference::tests
