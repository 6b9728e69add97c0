#pragma once
// Bytes of a live session's sound to samples: little-endian numbers without a header, or with one: clients that stream
// a WAV file as it is (FunASR's html5 page) send its header first, which is no sound.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::inference {

// s: full scale is -1 .. 1; f: as they are; mu_law, a_law: G.711.
enum class sample_format : std::uint8_t { s16, s32, f32, mu_law, a_law };

std::string_view to_string(sample_format format) noexcept;  // "16-bit PCM"
constexpr std::size_t size_bytes(sample_format format) noexcept {
  switch (format) {
    case sample_format::s16: return 2;
    case sample_format::s32:
    case sample_format::f32: return 4;
    case sample_format::mu_law:
    case sample_format::a_law: break;
  }
  return 1;
}

// What a header within the stream told. Its format and channels were checked; its rate is for the session to heed.
struct stream_header {
  std::uint32_t rate_hz = 0;
};

// One session's bytes, one channel. One thread at a time. However they are split into calls (also within a sample, or
// within the header), the samples are the same.
class sample_reader {
 public:
  explicit sample_reader(sample_format format);

  // Appends the samples that are whole now; NaN, infinity and the like as silence (sample.hpp).
  // unprocessable: a WAV header that tells of another format or of more channels, or is damaged; nothing may follow.
  result<void> accept(std::span<const std::byte> bytes, std::vector<float>& out);
  // The end. unprocessable: it lies within a sample or a header.
  result<void> finish(std::vector<float>& out);

  const std::optional<stream_header>& header() const noexcept { return header_; }
  std::uint64_t silenced() const noexcept { return silenced_; }  // samples that were no number, so far

 private:
  // magic: it may still be a header. After it a chunk's head, its body (of "fmt "), or what is passed over.
  enum class stage : std::uint8_t { magic, chunk, body, passing, sound };
  void await(stage next, std::size_t size);
  result<void> header_bytes(std::span<const std::byte>& bytes);
  result<void> chunk_head();
  result<void> chunk_body();
  void sound(std::span<const std::byte> bytes, std::vector<float>& out);
  float sample(const std::byte* at) noexcept;

  sample_format format_;
  const std::array<float, 256>* companded_ = nullptr;  // of G.711: what each byte is
  stage stage_ = stage::magic;
  std::vector<std::byte> held_;    // what came of the part that is awaited; of a sample's bytes, once it is sound
  std::size_t awaited_ = 12;       // size of that part
  std::uint64_t pass_ = 0;         // bytes to pass over
  std::uint64_t header_size_ = 0;  // so far, what is being passed over included
  std::optional<stream_header> header_;
  std::uint64_t silenced_ = 0;
};

}  // namespace troupe::inference
