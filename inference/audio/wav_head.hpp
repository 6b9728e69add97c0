#pragma once
// The first bytes of a WAV file of one channel, for samples that came without any: what is written behind them is a
// file that decoders take (RIFF's WAVEFORMATEX).

#include <cstdint>
#include <optional>
#include <string>

namespace troupe::inference {

struct wav_shape {
  std::uint16_t tag = 1;  // PCM; 6 and 7: G.711
  std::uint32_t rate_hz = 16000;
  std::uint16_t sample_bits = 16;
};

// `data_bytes`: what follows; empty: not known yet, which is said as those say who write to a pipe.
std::string wav_head(const wav_shape& shape, std::optional<std::uint32_t> data_bytes = {});

}  // namespace troupe::inference
