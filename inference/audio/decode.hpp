#pragma once
// Files of sound to samples: WAV, FLAC, Ogg (Vorbis, Opus) and MP3, of any rate from 8 to 192 kHz and up to
// `channels_max` channels, whose mean is taken. libsndfile, vorbisfile and mpg123 decode what container.hpp lets pass.
//
// Piece by piece: memory is what has been decoded, never what a header claims.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "config/error.hpp"
#include "inference/audio/container.hpp"
#include "inference/audio/resample.hpp"

namespace troupe::inference {

struct decode_limits {
  double duration_s_max = 4 * 3600;
  std::uint32_t channels_max = 8;
  // Of all channels at the file's own rate, as float: what decoding costs, not what it leaves.
  std::uint64_t decoded_bytes_max = 8ULL << 30U;
};

struct sound_info {
  sound_format format = sound_format::wav;
  std::uint32_t rate_hz = 0, channels = 0;  // of the file
};

class pcm_source;

// One file. One thread at a time; the bytes must outlive it.
class sound_decoder {
 public:
  // unsupported_media, unprocessable: no such file, truncated, damaged, an encoding that is not known, by name.
  // payload_too_large: longer than the limits allow, as far as that shows at the begin.
  static result<sound_decoder> open(std::span<const std::byte> file, std::uint32_t rate_hz,
                                    const decode_limits& limits);
  sound_decoder(sound_decoder&&) noexcept;
  sound_decoder& operator=(sound_decoder&&) noexcept;
  ~sound_decoder();

  const sound_info& info() const noexcept { return info_; }
  // Appends the next piece (a fraction of a second, perhaps nothing), one channel at rate_hz. False: that was all.
  // Errors as above; truncated or damaged where it shows only now; a file without a single sample is one too.
  result<bool> next(std::vector<float>& out);

 private:
  sound_decoder(std::unique_ptr<pcm_source> source, resampler rate, const decode_limits& limits, sound_format format);

  sound_info info_;
  decode_limits limits_;
  std::unique_ptr<pcm_source> source_;
  resampler resampler_;
  std::vector<float> interleaved_, mono_;  // scratch
  std::uint64_t frames_ = 0;               // decoded
};

struct decoded_sound {
  sound_info info;
  std::vector<float> samples;  // one channel at the rate that was asked for
};
// The whole file.
result<decoded_sound> decode_sound(std::span<const std::byte> file, std::uint32_t rate_hz, const decode_limits& limits);

}  // namespace troupe::inference
