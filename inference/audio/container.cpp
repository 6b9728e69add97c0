#include "inference/audio/container.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <string>

namespace troupe::inference {

namespace {

using bytes_view = std::span<const std::byte>;

constexpr const char* taken = "WAV, FLAC, Ogg (Vorbis or Opus) and MP3 are taken";

template <class T>
T little(bytes_view b, std::size_t at) noexcept {
  T value;
  std::memcpy(&value, b.data() + at, sizeof value);
  return value;
}
std::uint8_t byte(bytes_view b, std::size_t at) noexcept { return std::to_integer<std::uint8_t>(b[at]); }
bool has(bytes_view b, std::size_t at, std::string_view what) noexcept {
  return b.size() >= at + what.size() && std::memcmp(b.data() + at, what.data(), what.size()) == 0;
}

tl::unexpected<error> unusable(std::string why, std::string detail = {}) {
  return fail(error_code::unprocessable, std::move(why), std::move(detail));
}
tl::unexpected<error> truncated(sound_format format, const std::string& how) {
  return unusable("the " + std::string(to_string(format)) + " file is truncated: " + how);
}

// What people send instead.
struct stranger {
  std::size_t at;
  std::string_view magic, name;
};
using namespace std::string_view_literals;
constexpr std::array strangers = {
    stranger{4, "ftyp"sv, "MP4 or M4A (AAC)"sv},
    stranger{0, "\x1a\x45\xdf\xa3"sv, "WebM or Matroska"sv},
    stranger{0, "#!AMR"sv, "AMR"sv},
    stranger{0, "#!SILK"sv, "SILK"sv},
    stranger{0, "\x02#!SILK"sv, "SILK"sv},
    stranger{0, "\x30\x26\xb2\x75"sv, "Windows Media (WMA)"sv},
    stranger{0, "FORM"sv, "AIFF"sv},
    stranger{0, "caff"sv, "Apple's Core Audio Format"sv},
    stranger{0, ".snd"sv, "Sun's AU"sv},
    stranger{0, "MThd"sv, "MIDI"sv},
    stranger{0, "\xff\xf1"sv, "AAC (ADTS)"sv},
    stranger{0, "\xff\xf9"sv, "AAC (ADTS)"sv},
    stranger{0, "PK\x03\x04"sv, "a ZIP archive"sv},
    stranger{0, "\x1f\x8b"sv, "gzip"sv},
    stranger{0, "<"sv, "HTML or XML"sv},
    stranger{0, "{"sv, "JSON"sv},
};

tl::unexpected<error> unknown(bytes_view file) {
  const auto refused = [](std::string why) { return fail(error_code::unsupported_media, std::move(why), taken); };
  for (const auto& s : strangers)
    if (has(file, s.at, s.magic)) return refused("the file is " + std::string(s.name) + ", which is not taken");
  std::string begin;
  for (std::size_t i = 0; i < std::min<std::size_t>(file.size(), 4); ++i) {
    constexpr std::string_view digits = "0123456789abcdef";
    begin += {' ', digits[byte(file, i) >> 4U], digits[byte(file, i) & 15U]};
  }
  return refused("the file is no sound of a known format: it begins with" + begin);
}

// A frame's header: MPEG 1, 2 or 2.5, layer I to III, a bit rate and a sample rate that exist.
bool is_mpeg_frame(bytes_view b) noexcept {
  return b.size() >= 4 && byte(b, 0) == 0xff && (byte(b, 1) & 0xe0U) == 0xe0 && (byte(b, 1) & 0x18U) != 0x08 &&
         (byte(b, 1) & 0x06U) != 0 && (byte(b, 2) & 0xf0U) != 0xf0 && (byte(b, 2) & 0x0cU) != 0x0c;
}

// Bytes of the ID3v2 tags at the beginning; more than the file has where one is cut.
std::uint64_t tags_size(bytes_view file) noexcept {
  std::uint64_t at = 0;
  while (at + 10 <= file.size() && has(file, at, "ID3")) {
    std::uint64_t size = 10;
    for (std::size_t i = 0, shift = 21; i < 4; ++i, shift -= 7)
      size += static_cast<std::uint64_t>(byte(file, at + 6 + i) & 0x7fU) << shift;
    if ((byte(file, at + 5) & 0x10U) != 0) size += 10;  // a footer
    at += size;
  }
  return at;
}

// Sizes of sounds whose writer could not go back to fill it in: -1, and what sox and arecord write.
constexpr std::uint64_t size_unknown_min = 0x7fff0000;

struct wav_chunks {
  bytes_view file;
  bool big = has(file, 0, "RIFX");
  std::uint64_t size(std::uint64_t at) const {
    const auto number = little<std::uint32_t>(file, at + 4);
    return big ? __builtin_bswap32(number) : number;
  }
  std::uint64_t after(std::uint64_t at) const { return at + 8 + size(at) + (size(at) & 1U); }
  bool any(std::uint64_t at) const { return at + 8 <= file.size(); }
};

// Whether what stands at `at` is sound rather than further chunks, which would end where the file does.
bool is_sound(const wav_chunks& chunks, std::uint64_t at) {
  if (at == chunks.file.size()) return false;
  while (chunks.any(at)) at = chunks.after(at);
  return at != chunks.file.size();
}

result<sound_container> wav(bytes_view file) {
  const wav_chunks chunks{file};
  std::uint64_t at = 12, wide_size = UINT64_MAX;
  for (; chunks.any(at); at = chunks.after(at)) {
    if (has(file, at, "ds64") && at + 24 <= file.size()) wide_size = little<std::uint64_t>(file, at + 16);
    if (!has(file, at, "data")) continue;
    auto size = chunks.size(at);
    if (size == 0 && is_sound(chunks, at + 8)) return sound_container{sound_format::wav, file, at + 4};
    const bool wide = has(file, 0, "RF64") && size == UINT32_MAX && wide_size != UINT64_MAX;
    if (wide) size = wide_size;
    // Some writers count the header in: no more than the file has is let pass.
    if ((wide || size < size_unknown_min) && size > file.size())
      return truncated(sound_format::wav, "its header tells of " + std::to_string(size) + " bytes of sound, " +
                                              std::to_string(file.size() - at - 8) + " are there");
    return sound_container{sound_format::wav, file, std::nullopt};
  }
  if (at == file.size()) return unusable("the WAV file holds no sound: it has no 'data'");
  return truncated(sound_format::wav, "it ends before its sound");
}

// What the first packet says that the stream is.
result<sound_container> ogg(bytes_view file) {
  if (file.size() < 28) return truncated(sound_format::ogg_vorbis, "it ends within a page");
  const auto packet = std::size_t{27} + byte(file, 26);
  const bool opus = has(file, packet, "OpusHead");
  if (!opus && !has(file, packet, "\x01vorbis"))
    return fail(error_code::unsupported_media, "the Ogg file begins with a stream other than Vorbis or Opus", taken);
  const auto format = opus ? sound_format::ogg_opus : sound_format::ogg_vorbis;
  bool begun = false;  // past the heads of the streams
  for (std::uint64_t at = 0; has(file, at, "OggS");) {
    std::uint64_t size = 27;
    if (at + size <= file.size()) {
      const bool head = (byte(file, at + 5) & 2U) != 0;
      // Of Opus, libsndfile would end after the first.
      if (opus && head && begun) return unusable("the Ogg file holds several sounds one after another", "one is taken");
      begun = begun || !head;
      const auto segments = byte(file, at + 26);
      size += segments;
      for (std::size_t i = 0; i < segments && at + 27 + i < file.size(); ++i) size += byte(file, at + 27 + i);
    }
    if (at + size > file.size()) return truncated(format, "it ends within a page");
    at += size;
  }
  return sound_container{format, file, std::nullopt};  // what is no page the library passes over, or not
}

}  // namespace

std::string_view to_string(sound_format format) noexcept {
  switch (format) {
    case sound_format::wav: return "WAV";
    case sound_format::flac: return "FLAC";
    case sound_format::ogg_vorbis:
    case sound_format::ogg_opus: return "Ogg";
    case sound_format::mp3: return "MP3";
  }
  return {};
}

result<sound_container> recognise_sound(bytes_view file) {
  static_assert(std::endian::native == std::endian::little);
  if (file.empty()) return unusable("the file is empty", taken);
  const auto tags = tags_size(file);
  if (tags >= file.size()) return truncated(sound_format::mp3, "it ends within its ID3 tag");
  const auto sound = file.subspan(tags);
  const auto found = [&](sound_format format) { return sound_container{format, sound, std::nullopt}; };
  if ((has(sound, 0, "RIFF") || has(sound, 0, "RIFX") || has(sound, 0, "RF64")) && has(sound, 8, "WAVE"))
    return wav(sound);
  if (has(sound, 0, "fLaC")) return found(sound_format::flac);
  if (has(sound, 0, "OggS")) return ogg(sound);
  // After a tag the first frame may lie somewhat further on: the decoder looks for it.
  if (is_mpeg_frame(sound) || tags > 0) return found(sound_format::mp3);
  return unknown(file);
}

}  // namespace troupe::inference
