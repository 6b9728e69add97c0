// Against FunASR's apply_lfr, offline and in pieces (tests/parity/make_audio.py).

#include "inference/audio/lfr.hpp"

#include "inference/files/files.hpp"
#include "tests/inference/audio/support.hpp"

namespace troupe::inference::tests {
namespace {

std::vector<float> ramp(std::size_t frames, std::uint32_t width) {
  std::vector<float> out(frames * width);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(i);
  return out;
}

TEST(lfr, is_what_funasr_makes) {
  const auto text = read_file(audio_fixtures() / "lfr.json");
  simdjson::dom::parser parser;
  std::size_t streamed = 0;
  for (auto c : parser.parse(text).get_array()) {
    const auto m = static_cast<std::uint32_t>(c["m"].get_uint64().value()),
               n = static_cast<std::uint32_t>(c["n"].get_uint64().value());
    const auto count = c["count"].get_uint64().value();
    std::vector<float> rows;
    for (auto row : c["rows"].get_array())
      for (auto frame : row.get_array()) rows.push_back(static_cast<float>(frame.get_int64().value()));
    const auto frames = ramp(count, 1);
    std::vector<float> out;
    lfr whole(1, m, n);
    whole.accept(frames, out);
    EXPECT_EQ(out.size() / m, whole.frames(count, false));
    whole.finish(out);
    EXPECT_EQ(out, rows) << m << '/' << n << ' ' << count;
    EXPECT_EQ(out.size() / m, whole.frames(count, true));

    simdjson::dom::element pieces;
    if (c["pieces"].get(pieces)) continue;
    ++streamed;
    lfr stream(1, m, n);
    out.clear();
    std::size_t at = 0, call = 0, calls = 0;
    for ([[maybe_unused]] auto p : pieces.get_array()) ++calls;
    auto given = c["given"].get_array().begin();
    for (auto p : pieces.get_array()) {
      const auto size = p.get_uint64().value(), before = out.size();
      stream.accept(std::span(frames).subspan(at, size), out);
      at += size;
      if (++call == calls) stream.finish(out);
      EXPECT_EQ((out.size() - before) / m, (*given).get_uint64().value())
          << m << '/' << n << ' ' << count << " call " << call;
      ++given;
    }
    EXPECT_EQ(out, rows) << m << '/' << n << ' ' << count;
  }
  EXPECT_GT(streamed, 50U);
}

TEST(lfr, any_split_gives_the_same) {
  std::mt19937 random(printed_seed());
  for (int round = 0; round < 200; ++round) {
    const auto m = static_cast<std::uint32_t>(1 + random() % 9), n = static_cast<std::uint32_t>(1 + random() % 12);
    const auto width = static_cast<std::uint32_t>(1 + random() % 3);
    const auto frames = ramp(random() % 80, width);
    std::vector<float> whole, out;
    lfr one(width, m, n), stream(width, m, n);
    one.accept(frames, whole);
    one.finish(whole);
    for (std::size_t at = 0; at < frames.size();) {
      const auto size = std::min<std::size_t>((1 + random() % 10) * width, frames.size() - at);
      stream.accept(std::span(frames).subspan(at, size), out);
      at += size;
      EXPECT_EQ(out.size() / stream.width(), stream.frames(at / width, false));
    }
    stream.finish(out);
    EXPECT_EQ(out, whole) << m << '/' << n;
    EXPECT_EQ(out.size() / stream.width(), stream.frames(frames.size() / width, true));
  }
}

TEST(lfr, nothing_gives_nothing) {
  std::vector<float> out;
  lfr stream(80, 7, 6);
  stream.accept({}, out);
  stream.finish(out);
  EXPECT_TRUE(out.empty());
}

}  // namespace
}  // namespace troupe::inference::tests
