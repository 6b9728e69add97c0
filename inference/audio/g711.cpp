#include "inference/audio/g711.hpp"

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "inference/audio/pcm_source.hpp"
#include "inference/audio/wav_head.hpp"

namespace troupe::inference {

namespace {

constexpr std::uint16_t tag_a_law = 6, tag_mu_law = 7;

// A WAV file of the 256 bytes.
std::vector<std::byte> every_byte(std::uint16_t tag) {
  constexpr std::uint32_t rate_hz = 8000, count = 256;
  const auto head = wav_head({tag, rate_hz, 8}, count);
  std::vector<std::byte> out(head.size() + count);
  std::memcpy(out.data(), head.data(), head.size());
  for (std::uint32_t i = 0; i < count; ++i) out[head.size() + i] = static_cast<std::byte>(i);
  return out;
}

std::array<float, 256> decoded(std::uint16_t tag) {
  const auto file = every_byte(tag);
  const auto source = open_sndfile({sound_format::wav, file, {}}).value();
  std::array<float, 256> out{};
  if (source->read(out).value() != out.size()) throw std::runtime_error("libsndfile does not decode G.711");
  return out;
}

}  // namespace

const std::array<float, 256>& g711_samples(g711_law law) {
  static const auto mu = decoded(tag_mu_law), a = decoded(tag_a_law);
  return law == g711_law::mu ? mu : a;
}

}  // namespace troupe::inference
