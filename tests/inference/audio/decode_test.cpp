// Files are made by libsndfile as the test runs.

#include "inference/audio/decode.hpp"

#include <sndfile.h>

#include "tests/inference/audio/support.hpp"

namespace troupe::inference::tests {
namespace {

using bytes = std::vector<std::byte>;

struct written {
  bytes data;
  sf_count_t at = 0;
};
bytes encoded(std::span<const float> interleaved, std::uint32_t rate_hz, std::uint32_t channels, int format) {
  written file;
  const auto self = [](void* p) -> written& { return *static_cast<written*>(p); };
  static const auto of = self;
  SF_VIRTUAL_IO calls{};
  calls.get_filelen = [](void* p) { return static_cast<sf_count_t>(of(p).data.size()); };
  calls.tell = [](void* p) { return of(p).at; };
  calls.seek = [](sf_count_t offset, int whence, void* p) {
    auto& f = of(p);
    return f.at = offset + (whence == SEEK_SET   ? 0
                            : whence == SEEK_CUR ? f.at
                                                 : static_cast<sf_count_t>(f.data.size()));
  };
  calls.read = [](void* to, sf_count_t count, void* p) {
    auto& f = of(p);
    count = std::min(count, static_cast<sf_count_t>(f.data.size()) - f.at);
    std::memcpy(to, f.data.data() + f.at, static_cast<std::size_t>(count));
    f.at += count;
    return count;
  };
  calls.write = [](const void* from, sf_count_t count, void* p) {
    auto& f = of(p);
    f.data.resize(std::max(f.data.size(), static_cast<std::size_t>(f.at + count)));
    std::memcpy(f.data.data() + f.at, from, static_cast<std::size_t>(count));
    f.at += count;
    return count;
  };
  SF_INFO info{};
  info.samplerate = static_cast<int>(rate_hz);
  info.channels = static_cast<int>(channels);
  info.format = format;
  auto* const out = sf_open_virtual(&calls, SFM_WRITE, &info, &file);
  EXPECT_NE(out, nullptr) << sf_strerror(nullptr);
  if (out == nullptr) return {};
  const auto frames = static_cast<sf_count_t>(interleaved.size() / channels);
  if ((format & SF_FORMAT_SUBMASK) == SF_FORMAT_PCM_16) {  // as they are: the library scales floats by 32767
    std::vector<short> numbers;
    for (const auto x : interleaved) numbers.push_back(static_cast<short>(std::lrint(x * 32768)));
    EXPECT_EQ(sf_writef_short(out, numbers.data(), frames), frames);
  } else {
    EXPECT_EQ(sf_writef_float(out, interleaved.data(), frames), frames);
  }
  sf_close(out);
  return file.data;
}

constexpr int wav16 = SF_FORMAT_WAV | SF_FORMAT_PCM_16, flac16 = SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
              vorbis = SF_FORMAT_OGG | SF_FORMAT_VORBIS, opus = SF_FORMAT_OGG | SF_FORMAT_OPUS,
              mp3 = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III;

// Tones that come and go: what is late or early shows.
std::vector<float> speech_like(std::uint32_t rate_hz, double seconds) {
  auto out = tone(440, rate_hz, seconds, 0.4);
  const auto other = tone(1300, rate_hz, seconds, 0.2), slow = tone(3, rate_hz, seconds, 1);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = (out[i] + other[i]) * (0.5F + 0.5F * slow[i]);
  return out;
}

double error_db(std::span<const float> got, std::span<const float> expected) {
  double wrong = 0, right = 0;
  for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
    wrong += std::pow(static_cast<double>(got[i]) - expected[i], 2);
    right += std::pow(static_cast<double>(expected[i]), 2);
  }
  return 10 * std::log10(wrong / right + 1e-30);
}

const error& refused(const result<decoded_sound>& sound) {
  static const error none;
  EXPECT_FALSE(sound) << "it was taken";
  return sound ? none : sound.error();
}
bool says(const error& e, std::string_view what) {
  if ((e.message + '\n' + e.detail).find(what) != std::string::npos) return true;
  ADD_FAILURE() << "'" << e.message << "' / '" << e.detail << "' does not say '" << what << "'";
  return false;
}
bytes as_bytes_of(std::string_view text) {
  bytes out(text.size());
  std::memcpy(out.data(), text.data(), text.size());
  return out;
}

struct kind {
  const char* name;
  int format;
  sound_format is;
  std::uint32_t rate_hz, channels;
  double error_db_max;
};
const kind kinds[] = {
    {"wav 16", wav16, sound_format::wav, 16000, 1, -80},
    {"wav 16, 8 kHz, stereo", wav16, sound_format::wav, 8000, 2, -60},
    {"wav 24", SF_FORMAT_WAV | SF_FORMAT_PCM_24, sound_format::wav, 48000, 1, -60},
    {"wav 32", SF_FORMAT_WAV | SF_FORMAT_PCM_32, sound_format::wav, 44100, 2, -60},
    {"wav 8", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, sound_format::wav, 16000, 1, -30},
    {"wav float", SF_FORMAT_WAV | SF_FORMAT_FLOAT, sound_format::wav, 192000, 1, -60},
    {"wav double", SF_FORMAT_WAV | SF_FORMAT_DOUBLE, sound_format::wav, 22050, 3, -60},
    {"wav big-endian", SF_ENDIAN_BIG | wav16, sound_format::wav, 16000, 1, -80},
    {"wav ulaw", SF_FORMAT_WAV | SF_FORMAT_ULAW, sound_format::wav, 8000, 1, -30},
    {"wav alaw", SF_FORMAT_WAV | SF_FORMAT_ALAW, sound_format::wav, 8000, 1, -30},
    {"wav ima", SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, sound_format::wav, 16000, 1, -20},
    {"wav ms", SF_FORMAT_WAV | SF_FORMAT_MS_ADPCM, sound_format::wav, 16000, 1, -20},
    {"wav gsm", SF_FORMAT_WAV | SF_FORMAT_GSM610, sound_format::wav, 8000, 1, -3},
    {"wavex", SF_FORMAT_WAVEX | SF_FORMAT_PCM_16, sound_format::wav, 48000, 2, -60},
    {"rf64", SF_FORMAT_RF64 | SF_FORMAT_PCM_16, sound_format::wav, 48000, 2, -60},
    {"flac 16", flac16, sound_format::flac, 16000, 1, -80},
    {"flac 24", SF_FORMAT_FLAC | SF_FORMAT_PCM_24, sound_format::flac, 96000, 2, -60},
    {"vorbis", vorbis, sound_format::ogg_vorbis, 44100, 1, -20},
    {"vorbis 16 kHz stereo", vorbis, sound_format::ogg_vorbis, 16000, 2, -20},
    {"opus", opus, sound_format::ogg_opus, 48000, 1, -15},
    {"opus 16 kHz", opus, sound_format::ogg_opus, 16000, 1, -15},
    {"mp3", mp3, sound_format::mp3, 44100, 2, -20},
    {"mp3 16 kHz", mp3, sound_format::mp3, 16000, 1, -20},
    {"mp3 8 kHz", mp3, sound_format::mp3, 8000, 1, -15},
};

bytes file_of(const kind& k, double seconds) {
  const auto mono = speech_like(k.rate_hz, seconds);
  std::vector<float> interleaved;
  for (const auto x : mono) interleaved.insert(interleaved.end(), k.channels, x);
  return encoded(interleaved, k.rate_hz, k.channels, k.format);
}

TEST(decode, all_formats) {
  const auto expected = speech_like(16000, 1.3);
  for (const auto& k : kinds) {
    const auto sound = decode_sound(file_of(k, 1.3), 16000, {});
    ASSERT_TRUE(sound) << k.name << ": " << sound.error().message;
    EXPECT_EQ(sound->info.format, k.is) << k.name;
    EXPECT_EQ(sound->info.rate_hz, k.rate_hz) << k.name;
    EXPECT_EQ(sound->info.channels, k.channels) << k.name;
    EXPECT_NEAR(static_cast<double>(sound->samples.size()), static_cast<double>(expected.size()), 1024) << k.name;
    EXPECT_LT(error_db(sound->samples, expected), k.error_db_max) << k.name;
  }
}

TEST(decode, sixteen_bits_at_the_same_rate_are_exact) {
  const auto sound = fixture_sound();
  for (const auto format : {wav16, flac16}) {
    const auto decoded = decode_sound(encoded(sound, 16000, 1, format), 16000, {});
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->samples, sound);
  }
}

TEST(decode, channels_are_averaged) {
  std::vector<float> interleaved;
  for (int i = 0; i < 500; ++i) interleaved.insert(interleaved.end(), {0.5F, -0.25F, 0.25F, 0.0F});
  const auto sound = decode_sound(encoded(interleaved, 16000, 4, SF_FORMAT_WAV | SF_FORMAT_FLOAT), 16000, {});
  ASSERT_TRUE(sound);
  EXPECT_EQ(sound->samples, std::vector<float>(500, 0.125F));
}

TEST(decode, what_is_no_number_is_silence) {
  const std::vector<float> in = {0.5F, NAN, INFINITY, -0.5F};
  const auto sound = decode_sound(encoded(in, 16000, 1, SF_FORMAT_WAV | SF_FORMAT_FLOAT), 16000, {});
  ASSERT_TRUE(sound);
  EXPECT_EQ(sound->samples, (std::vector<float>{0.5F, 0, 0, -0.5F}));
}

TEST(decode, what_is_no_sound_is_named) {
  const struct {
    std::string_view begin, says;
  } cases[] = {
      {"hello, this is no sound", "begins with 68 65 6c 6c"},
      {"<!DOCTYPE html><html></html>", "HTML"},
      {"{\"a\": 1}", "JSON"},
      {{"\0\0\0\x20"
        "ftypM4A \0\0\0\0",
        16},
       "MP4 or M4A"},
      {"\x1a\x45\xdf\xa3\x9f\x42\x86\x81", "WebM"},
      {"\xff\xf1\x50\x80\x02\x1f\xfc", "AAC (ADTS)"},
      {"#!AMR\n", "AMR"},
      {"FORM\x01\x01\x01\x01"
       "AIFF",
       "AIFF"},
      {"RIFF\x01\x01\x01\x01"
       "AVI LIST",
       "begins with 52 49 46 46"},
      {"x", "begins with 78"},
      {{"OggS\0\2\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\1\x08Speex   ", 36}, "other than Vorbis or Opus"},
  };
  for (const auto& c : cases) {
    const auto sound = decode_sound(as_bytes_of(c.begin), 16000, {});
    const auto& e = refused(sound);
    EXPECT_EQ(e.code, error_code::unsupported_media) << c.begin;
    EXPECT_TRUE(says(e, c.says));
    EXPECT_TRUE(says(e, "WAV, FLAC, Ogg (Vorbis or Opus) and MP3 are taken"));
  }
}

TEST(decode, empty_files) {
  const auto nothing = decode_sound({}, 16000, {});
  EXPECT_EQ(refused(nothing).code, error_code::unprocessable);
  EXPECT_TRUE(says(refused(nothing), "empty"));
  auto silent = encoded({}, 16000, 1, wav16);
  EXPECT_TRUE(says(refused(decode_sound(silent, 16000, {})), "holds no sound"));
  // What follows it is no sound.
  const auto list = as_bytes_of({"LIST\x04\0\0\0INFO", 12});
  silent.insert(silent.end(), list.begin(), list.end());
  EXPECT_TRUE(says(refused(decode_sound(silent, 16000, {})), "holds no sound"));
}

TEST(decode, truncated_files_are_told) {
  for (const auto& k : kinds) {
    const auto file = file_of(k, 3);
    for (const double part : {0.02, 0.3, 0.5, 0.9}) {
      const auto cut = std::span(file).first(static_cast<std::size_t>(static_cast<double>(file.size()) * part));
      const auto sound = decode_sound(cut, 16000, {});
      if (sound)
        ADD_FAILURE() << k.name << " was taken, cut to " << part << " of " << file.size();
      else
        EXPECT_TRUE(says(sound.error(), part > 0.1 ? "truncated" : " file ")) << k.name << ' ' << part;
    }
  }
}

TEST(decode, a_wav_that_was_streamed_has_no_size) {
  const auto sound = fixture_sound();
  for (const std::uint32_t size : {0xffffffffU, 0x7ffff000U, 0x80000000U, 0U}) {
    auto file = encoded(sound, 16000, 1, wav16);
    std::memcpy(file.data() + 40, &size, 4);
    const auto decoded = decode_sound(file, 16000, {});
    ASSERT_TRUE(decoded) << size << ": " << decoded.error().message;
    EXPECT_EQ(decoded->samples, sound) << size;
  }
}

TEST(decode, limits) {
  const auto file = encoded(speech_like(48000, 3), 48000, 1, flac16);
  decode_limits limits;
  limits.duration_s_max = 2.5;
  EXPECT_EQ(refused(decode_sound(file, 16000, limits)).code, error_code::payload_too_large);
  EXPECT_TRUE(says(refused(decode_sound(file, 16000, limits)), "longer than 2.5 s"));
  limits = {};
  limits.decoded_bytes_max = 3 * 48000 * 4 - 4;
  EXPECT_EQ(refused(decode_sound(file, 16000, limits)).code, error_code::payload_too_large);
  limits.decoded_bytes_max += 4;
  EXPECT_TRUE(decode_sound(file, 16000, limits));
  limits.channels_max = 2;
  const auto many = encoded(std::vector<float>(300), 16000, 3, wav16);
  EXPECT_TRUE(says(refused(decode_sound(many, 16000, limits)), "3 channels"));
  const auto slow = encoded(std::vector<float>(300), 4000, 1, wav16);
  EXPECT_TRUE(says(refused(decode_sound(slow, 16000, {})), "4000 Hz"));
}

TEST(decode, a_small_file_that_claims_hours) {
  auto file = encoded(speech_like(16000, 0.5), 16000, 1, flac16);
  // STREAMINFO: 36 bits of samples, from the low half of byte 21 on.
  file[21] |= std::byte{0x0f};
  std::fill(file.begin() + 22, file.begin() + 26, std::byte{0xff});
  EXPECT_EQ(refused(decode_sound(file, 16000, {})).code, error_code::payload_too_large);
  decode_limits none;
  none.duration_s_max = 1e12;
  none.decoded_bytes_max = UINT64_MAX;
  EXPECT_TRUE(says(refused(decode_sound(file, 16000, none)), "truncated"));
}

TEST(decode, an_mp3_without_a_length_is_whole) {
  std::mt19937 random(3);
  auto in = speech_like(44100, 4);  // loud and noisy first, then nearly silent: a guess from the first frames is wrong
  std::normal_distribution<float> noise(0, 0.2F);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = i < 40000 ? in[i] + noise(random) : 1e-3F * in[i];
  auto file = encoded(in, 44100, 1, mp3);
  const auto with = decode_sound(file, 16000, {});
  ASSERT_TRUE(with) << with.error().message;
  const auto info = std::string_view(reinterpret_cast<const char*>(file.data()), 400).find_first_of("XI", 4);
  ASSERT_NE(info, std::string_view::npos);
  // Without its first frame, which has the table of lengths: up to the next frame's head.
  std::size_t second = 4;
  while (!(file[second] == file[0] && file[second + 1] == file[1])) ++second;
  file.erase(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(second));
  const auto without = decode_sound(file, 16000, {});
  ASSERT_TRUE(without) << without.error().message;
  EXPECT_GE(without->samples.size() + 1000, with->samples.size());
}

TEST(decode, tags_are_passed_over) {
  auto tag = as_bytes_of({"ID3\x04\0\0\0\0\x02\0", 10});
  tag.resize(10 + 256);
  for (const auto format : {mp3, flac16}) {
    const auto plain = encoded(speech_like(16000, 1), 16000, 1, format);
    auto tagged = tag;
    tagged.insert(tagged.end(), plain.begin(), plain.end());
    const auto a = decode_sound(plain, 16000, {}), b = decode_sound(tagged, 16000, {});
    ASSERT_TRUE(a && b);
    EXPECT_EQ(a->samples, b->samples);
  }
  auto last = as_bytes_of("TAGa title");
  last.resize(128);
  for (const auto format : {mp3, flac16}) {
    const auto plain = encoded(speech_like(16000, 1), 16000, 1, format);
    auto tagged = plain;
    for (int i = 0; i < 40; ++i) tagged.insert(tagged.end(), last.begin(), last.end());
    const auto a = decode_sound(plain, 16000, {}), b = decode_sound(tagged, 16000, {});
    ASSERT_TRUE(a && b) << format;
    EXPECT_EQ(a->samples, b->samples);
  }
  EXPECT_TRUE(says(refused(decode_sound(std::span(tag).first(100), 16000, {})), "ID3"));
  EXPECT_TRUE(says(refused(decode_sound(tag, 16000, {})), "ID3"));
}

TEST(decode, one_file_after_another) {
  const auto twice = [](int format) {
    auto out = encoded(speech_like(16000, 1), 16000, 1, format);
    const auto more = encoded(speech_like(16000, 2), 16000, 1, format);
    out.insert(out.end(), more.begin(), more.end());
    return decode_sound(out, 16000, {});
  };
  // A player would go on; libsndfile ends after the first sound.
  EXPECT_TRUE(says(refused(twice(opus)), "several sounds"));
  for (const auto format : {mp3, vorbis}) {
    const auto both = twice(format);
    ASSERT_TRUE(both) << both.error().message;
    EXPECT_NEAR(static_cast<double>(both->samples.size()), 48000, 2500);
  }
}

TEST(decode, pieces_are_small) {
  const auto file = encoded(speech_like(48000, 3), 48000, 2, wav16);
  auto decoder = sound_decoder::open(file, 16000, {});
  ASSERT_TRUE(decoder);
  std::vector<float> all;
  for (;;) {
    std::vector<float> piece;
    const auto more = decoder->next(piece);
    ASSERT_TRUE(more);
    EXPECT_LT(piece.size(), 8000U);
    all.insert(all.end(), piece.begin(), piece.end());
    if (!*more) break;
  }
  const auto whole = decode_sound(file, 16000, {});
  ASSERT_TRUE(whole);
  EXPECT_EQ(all, whole->samples);
}

TEST(decode, hostile_files) {
  std::mt19937 random(printed_seed());
  const char* asked = std::getenv("TROUPE_FUZZ_ROUNDS");
  const int rounds = asked != nullptr ? std::atoi(asked) : 40;
  decode_limits limits;
  limits.duration_s_max = 60;
  std::size_t taken = 0;
  for (const auto& k : kinds) {
    const auto file = file_of(k, 0.4);
    ASSERT_FALSE(file.empty());
    for (int round = 0; round < rounds; ++round) {
      auto hostile = file;
      // The head, where sizes and counts are, more often than the rest.
      const auto reach = random() % 2 == 0 ? std::min<std::size_t>(hostile.size(), 200) : hostile.size();
      for (auto flips = 1 + random() % 8; flips > 0; --flips)
        hostile[random() % reach] ^= static_cast<std::byte>(random() % 4 == 0 ? random() : 1U << random() % 8);
      if (random() % 4 == 0) hostile.resize(random() % hostile.size());
      const auto sound = decode_sound(hostile, 16000, limits);
      if (!sound) {
        EXPECT_FALSE(sound.error().message.empty());
        continue;
      }
      ++taken;
      EXPECT_LE(sound->samples.size(), 61U * 16000);
      for (const auto x : sound->samples) ASSERT_TRUE(std::isfinite(x)) << k.name;
    }
  }
  EXPECT_GT(taken, 0U);
}

}  // namespace
}  // namespace troupe::inference::tests
