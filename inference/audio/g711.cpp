#include "inference/audio/g711.hpp"

#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "inference/audio/pcm_source.hpp"

namespace troupe::inference {

namespace {

constexpr std::uint16_t tag_a_law = 6, tag_mu_law = 7;

void put(std::vector<std::byte>& to, std::string_view text) {
  for (const char c : text) to.push_back(static_cast<std::byte>(c));
}
void put(std::vector<std::byte>& to, std::uint32_t number, int size) {
  for (int i = 0; i < size; ++i) to.push_back(static_cast<std::byte>(number >> (8 * i)));
}

// A WAV file of the 256 bytes.
std::vector<std::byte> every_byte(std::uint16_t tag) {
  constexpr std::uint32_t rate_hz = 8000, count = 256;
  std::vector<std::byte> out;
  put(out, "RIFF");
  put(out, 36 + count, 4);
  put(out, "WAVEfmt ");
  put(out, 16, 4);
  put(out, tag, 2);
  put(out, 1, 2);  // channels
  put(out, rate_hz, 4);
  put(out, rate_hz, 4);  // bytes a second
  put(out, 1, 2);        // bytes a frame
  put(out, 8, 2);        // bits a sample
  put(out, "data");
  put(out, count, 4);
  for (std::uint32_t i = 0; i < count; ++i) out.push_back(static_cast<std::byte>(i));
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
