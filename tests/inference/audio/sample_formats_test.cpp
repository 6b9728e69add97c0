#include "inference/audio/sample_formats.hpp"

#include <limits>

#include "tests/inference/audio/support.hpp"

namespace troupe::inference::tests {
namespace {

using bytes = std::vector<std::byte>;

template <class T>
bytes bytes_of(const std::vector<T>& numbers) {
  bytes out(numbers.size() * sizeof(T));
  std::memcpy(out.data(), numbers.data(), out.size());
  return out;
}
void add(bytes& to, std::string_view text) {
  for (const char c : text) to.push_back(static_cast<std::byte>(c));
}
template <class T>
void add_number(bytes& to, T number) {
  const auto more = bytes_of(std::vector<T>{number});
  to.insert(to.end(), more.begin(), more.end());
}

struct wav_parts {
  std::uint16_t tag = 1, channels = 1, bits = 16;
  std::uint32_t rate_hz = 16000, data_size = 0xffffffff;
  std::uint32_t fmt_size = 16;
  std::uint16_t sub_tag = 1;
  std::string before{}, between{};  // chunks before and after "fmt "
  bool fmt = true;
};
bytes wav_header(const wav_parts& p) {
  bytes out;
  add(out, "RIFF");
  add_number<std::uint32_t>(out, 0xffffffff);
  add(out, "WAVE" + p.before);
  if (p.fmt) {
    add(out, "fmt ");
    add_number(out, p.fmt_size);
    bytes fmt;
    add_number(fmt, p.tag);
    add_number(fmt, p.channels);
    add_number(fmt, p.rate_hz);
    add_number<std::uint32_t>(fmt, p.rate_hz * p.channels * p.bits / 8);
    add_number<std::uint16_t>(fmt, static_cast<std::uint16_t>(p.channels * p.bits / 8));
    add_number(fmt, p.bits);
    add_number<std::uint16_t>(fmt, 22);
    add_number<std::uint16_t>(fmt, p.bits);
    add_number<std::uint32_t>(fmt, 4);
    add_number(fmt, p.sub_tag);
    fmt.resize(p.fmt_size + (p.fmt_size & 1U));
    out.insert(out.end(), fmt.begin(), fmt.end());
  }
  add(out, p.between + "data");
  add_number(out, p.data_size);
  return out;
}
std::string chunk(std::string id, std::uint32_t size) {
  id.resize(8);
  std::memcpy(id.data() + 4, &size, 4);
  return id + std::string(size + (size & 1U), 'x');
}

std::vector<float> all_of(sample_format format, std::span<const std::byte> in) {
  sample_reader reader(format);
  std::vector<float> out;
  EXPECT_TRUE(reader.accept(in, out));
  EXPECT_TRUE(reader.finish(out));
  return out;
}
std::string problem_of(sample_format format, std::span<const std::byte> in) {
  sample_reader reader(format);
  std::vector<float> out;
  auto ok = reader.accept(in, out);
  if (ok) ok = reader.finish(out);
  if (ok) return {};
  EXPECT_EQ(ok.error().code, error_code::unprocessable);
  return ok.error().message;
}

TEST(sample_formats, numbers) {
  EXPECT_EQ(all_of(sample_format::s16, bytes_of<std::int16_t>({0, 1, -32768, 32767})),
            (std::vector<float>{0, 1 / 32768.0F, -1, 32767 / 32768.0F}));
  EXPECT_EQ(all_of(sample_format::s32, bytes_of<std::int32_t>({0, 1 << 30, INT32_MIN})),
            (std::vector<float>{0, 0.5F, -1}));
  EXPECT_EQ(all_of(sample_format::f32, bytes_of<float>({0, 1.5F, -1e-9F})), (std::vector<float>{0, 1.5F, -1e-9F}));
}

TEST(sample_formats, what_is_no_number_is_silence) {
  sample_reader reader(sample_format::f32);
  std::vector<float> out;
  ASSERT_TRUE(reader.accept(bytes_of<float>({NAN, 0.5F, INFINITY, -INFINITY, std::numeric_limits<float>::max()}), out));
  EXPECT_EQ(out, (std::vector<float>{0, 0.5F, 0, 0, 0}));
  EXPECT_EQ(reader.silenced(), 4U);
}

TEST(sample_formats, an_end_within_a_sample_is_told) {
  EXPECT_NE(problem_of(sample_format::s16, bytes(5)).find("1 of 2 bytes"), std::string::npos);
  EXPECT_NE(problem_of(sample_format::f32, bytes(7)).find("3 of 4 bytes"), std::string::npos);
  EXPECT_EQ(problem_of(sample_format::f32, bytes(8)), "");
  EXPECT_EQ(problem_of(sample_format::s16, {}), "");
  EXPECT_NE(problem_of(sample_format::s16, bytes(1)), "");
}

TEST(sample_formats, any_split_gives_the_same) {
  std::mt19937 random(printed_seed());
  const wav_parts plain, wide{.tag = 0xfffe, .fmt_size = 40},
      odd{.fmt_size = 18, .before = chunk("JUNK", 301), .between = chunk("LIST", 26) + chunk("fact", 0)};
  for (int round = 0; round < 300; ++round) {
    const auto format = std::array{sample_format::s16, sample_format::s32, sample_format::f32}[random() % 3];
    bytes sound((random() % 200) * size_bytes(format));
    for (auto& b : sound) b = static_cast<std::byte>(random());
    const auto expected = all_of(format, sound);
    auto in = sound;
    if (round % 2 == 0) {
      auto parts = std::array{plain, wide, odd}[random() % 3];
      parts.bits = static_cast<std::uint16_t>(8 * size_bytes(format));
      if (format == sample_format::f32) (parts.tag == 1 ? parts.tag : parts.sub_tag) = 3;
      in = wav_header(parts);
      in.insert(in.end(), sound.begin(), sound.end());
    }
    sample_reader reader(format);
    std::vector<float> out;
    in_pieces<std::byte>(in, random, 100, [&](auto piece) { ASSERT_TRUE(reader.accept(piece, out)); });
    ASSERT_TRUE(reader.finish(out));
    EXPECT_EQ(out, expected);
    EXPECT_EQ(reader.header().has_value(), round % 2 == 0);
  }
}

TEST(sample_formats, a_header_tells_the_rate) {
  sample_reader reader(sample_format::s16);
  std::vector<float> out;
  ASSERT_TRUE(reader.accept(wav_header({.rate_hz = 44100}), out));
  ASSERT_TRUE(reader.header());
  EXPECT_EQ(reader.header()->rate_hz, 44100U);
  EXPECT_TRUE(out.empty());
}

TEST(sample_formats, sound_that_begins_as_a_header_is_sound) {
  for (const std::string_view text : {"R", "RI", "RIFF", "RIFFxxxxWAVX", "RIFX12345678", "RIFFxxxxWAV"}) {
    bytes in;
    add(in, text);
    if (in.size() % 2 == 1) in.push_back({});
    EXPECT_EQ(all_of(sample_format::s16, in).size(), in.size() / 2) << text;
    sample_reader reader(sample_format::s16);
    std::vector<float> out;
    for (const auto& b : in) ASSERT_TRUE(reader.accept({&b, 1}, out));
    ASSERT_TRUE(reader.finish(out));
    EXPECT_EQ(out, all_of(sample_format::s16, in)) << text;
  }
}

TEST(sample_formats, headers_that_are_wrong) {
  const auto says = [](const wav_parts& p, std::string_view what, sample_format format = sample_format::s16) {
    const auto problem = problem_of(format, wav_header(p));
    EXPECT_NE(problem.find(what), std::string::npos) << problem;
  };
  says({.channels = 2}, "2 channel(s), 16 bits");
  says({.bits = 24}, "24 bits");
  says({.tag = 7}, "format 7");
  says({.tag = 1, .bits = 32}, "one channel of 32-bit float", sample_format::f32);
  says({.fmt_size = 14}, "'fmt ' of 14 bytes");
  says({.fmt = false}, "no 'fmt '");
  wav_parts endless;
  for (int i = 0; i < 20; ++i) endless.before += chunk("JUNK", 60000);
  says(endless, "longer than a mebibyte");
  const auto whole = wav_header({});
  for (std::size_t size = 12; size < whole.size(); ++size)
    EXPECT_NE(problem_of(sample_format::s16, std::span(whole).first(size)).find("not whole"), std::string::npos)
        << size;
}

}  // namespace
}  // namespace troupe::inference::tests
