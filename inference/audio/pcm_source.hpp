#pragma once
// A decoder library, as decode.cpp uses it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "config/error.hpp"
#include "inference/audio/container.hpp"

namespace troupe::inference {

// One file. One thread at a time; the bytes must outlive it.
class pcm_source {
 public:
  virtual ~pcm_source() = default;
  virtual std::uint32_t rate_hz() const noexcept = 0;
  virtual std::uint32_t channels() const noexcept = 0;  // at least 1
  // Frames (a sample of each channel) that the file claims to have, where it does.
  virtual std::optional<std::uint64_t> frames() const noexcept = 0;
  // Interleaved samples into `out`; how many frames they are, 0: that was all. unprocessable: damaged or truncated.
  // REQUIRES room for whole frames.
  virtual result<std::size_t> read(std::span<float> out) = 0;
};

result<std::unique_ptr<pcm_source>> open_sndfile(const sound_container& file);  // WAV, FLAC, Opus
result<std::unique_ptr<pcm_source>> open_vorbis(const sound_container& file);
result<std::unique_ptr<pcm_source>> open_mpg123(const sound_container& file);  // MP3

// "the FLAC file is damaged or truncated, after 1.5 s"
std::string damaged_after(sound_format format, std::uint64_t frames, std::uint32_t rate_hz);

}  // namespace troupe::inference
