#include "inference/audio/wav_head.hpp"

#include <limits>

namespace troupe::inference {

std::string wav_head(const wav_shape& shape, std::optional<std::uint32_t> data_bytes) {
  constexpr std::uint32_t unknown = std::numeric_limits<std::uint32_t>::max(), before_data_bytes = 36;
  const std::uint32_t frame_bytes = shape.sample_bits / 8U;
  std::string out;
  const auto put = [&](std::uint32_t number, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(number >> (8 * i) & 0xffU);
  };
  out += "RIFF";
  put(data_bytes ? before_data_bytes + *data_bytes : unknown, 4);
  out += "WAVEfmt ";
  put(16, 4);
  put(shape.tag, 2);
  put(1, 2);  // channels
  put(shape.rate_hz, 4);
  put(shape.rate_hz * frame_bytes, 4);
  put(frame_bytes, 2);
  put(shape.sample_bits, 2);
  out += "data";
  put(data_bytes.value_or(unknown), 4);
  return out;
}

}  // namespace troupe::inference
