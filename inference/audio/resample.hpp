#pragma once
// Changes the rate of a sound on its way, with the SoX Resampler library. What is below 0.9 of half the lower rate
// passes unchanged (error below -60 dB; below -100 dB at rates that are a plain fraction of 16 kHz); above, it fades
// out.
//
// Latency, measured with pieces of 10 ms to 16 kHz: what was given and has not come out is at most 30 ms (8 kHz: 28,
// 11.025: 21, 44.1: 21, 48: 20). Memory 45 KB (8 kHz) to 110 KB (192 kHz). The same rate: nothing of either.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "config/error.hpp"

struct soxr;

namespace troupe::inference {

inline constexpr std::uint32_t rate_hz_min = 8000, rate_hz_max = 192000;

// One sound. One thread at a time. However it is split into calls, the samples that come out are the same to the bit,
// and round(samples * to / from) of them in all, or one more or less.
class resampler {
 public:
  // unprocessable: a rate below 8 or above 192 kHz.
  static result<resampler> make(std::uint32_t from_hz, std::uint32_t to_hz);

  // Appends what comes out by now. REQUIRES that finish() was not called. Samples: see sample.hpp.
  result<void> accept(std::span<const float> samples, std::vector<float>& out);
  // Appends the rest.
  result<void> finish(std::vector<float>& out);

 private:
  struct closer {
    void operator()(soxr* handle) const noexcept;
  };
  explicit resampler(std::unique_ptr<soxr, closer> handle, double ratio) : handle_(std::move(handle)), ratio_(ratio) {}

  std::unique_ptr<soxr, closer> handle_;  // null: the rates are the same
  double ratio_;                          // samples out for one in
};

}  // namespace troupe::inference
