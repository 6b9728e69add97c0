#pragma once
// Tells what a file of sound is before any library reads it: only the formats that are taken reach one.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "config/error.hpp"

namespace troupe::inference {

enum class sound_format : std::uint8_t { wav, flac, ogg_vorbis, ogg_opus, mp3 };
std::string_view to_string(sound_format format) noexcept;  // "WAV", "Ogg", ..

struct sound_container {
  sound_format format = sound_format::wav;
  std::span<const std::byte> bytes;  // the file without ID3 tags before the sound
  // WAV whose writer never came back to fill in the size of the sound: where in `bytes` the four zeros stand. Readers
  // must see ff there, "up to the end", or they find nothing.
  std::optional<std::size_t> open_size_at;
};

// unsupported_media: it is none of these; what it is instead is told where it can be seen.
// unprocessable: it is empty, or ends before its end: a WAV file whose sound is shorter than its header tells, an Ogg
// file that ends within a page. (FLAC's and MP3's ends are seen when they are decoded.)
result<sound_container> recognise_sound(std::span<const std::byte> file);

}  // namespace troupe::inference
