#include "inference/audio/resample.hpp"

#include <soxr.h>

#include <algorithm>
#include <array>
#include <string>

#include "inference/audio/sample.hpp"

namespace troupe::inference {

namespace {

tl::unexpected<error> failed(const char* why) {
  return fail(error_code::internal, std::string("cannot change the sample rate: ") + why);
}

}  // namespace

void resampler::closer::operator()(soxr* handle) const noexcept { soxr_delete(handle); }

result<resampler> resampler::make(std::uint32_t from_hz, std::uint32_t to_hz) {
  for (const auto rate : {from_hz, to_hz})
    if (rate < rate_hz_min || rate > rate_hz_max)
      return fail(error_code::unprocessable, "a sample rate of " + std::to_string(rate) + " Hz is out of range",
                  std::to_string(rate_hz_min) + " to " + std::to_string(rate_hz_max) + " Hz");
  if (from_hz == to_hz) return resampler(nullptr, 1);

  // Gentler than SoX's own presets, whose filters hold back up to 118 ms: 16 bits, and what folds back over half the
  // rate stays above 0.9 of it.
  auto quality = soxr_quality_spec(SOXR_16_BITQ, 0);
  quality.passband_end = 0.9;
  quality.stopband_begin = 1.1;
  auto run = soxr_runtime_spec(1);
  run.log2_min_dft_size = 8;
  const auto samples = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  soxr_error_t problem = nullptr;
  std::unique_ptr<soxr, closer> handle(soxr_create(from_hz, to_hz, 1, &problem, &samples, &quality, &run));
  if (problem != nullptr || !handle) return failed(soxr_strerror(problem));
  return resampler(std::move(handle), static_cast<double>(to_hz) / from_hz);
}

result<void> resampler::accept(std::span<const float> samples, std::vector<float>& out) {
  std::array<float, 1024> clean;
  while (!samples.empty()) {
    const auto count = std::min(samples.size(), clean.size());
    std::transform(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(count), clean.begin(), heard);
    samples = samples.subspan(count);
    if (!handle_) {
      out.insert(out.end(), clean.begin(), clean.begin() + static_cast<std::ptrdiff_t>(count));
      continue;
    }
    // Until all is taken and there is room left, that is, nothing more comes out.
    std::size_t taken = 0, given = 0, room = 0;
    do {
      const auto at = out.size();
      room = static_cast<std::size_t>(static_cast<double>(count) * ratio_) + 512;
      out.resize(at + room);
      std::size_t in = 0;
      const auto problem =
          soxr_process(handle_.get(), clean.data() + taken, count - taken, &in, out.data() + at, room, &given);
      out.resize(at + given);
      if (problem != nullptr) return failed(problem);
      taken += in;
    } while (taken < count || given == room);
  }
  return {};
}

result<void> resampler::finish(std::vector<float>& out) {
  if (!handle_) return {};
  std::array<float, 1024> piece;
  for (std::size_t given = piece.size(); given == piece.size();) {
    if (const auto problem = soxr_process(handle_.get(), nullptr, 0, nullptr, piece.data(), piece.size(), &given))
      return failed(problem);
    out.insert(out.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(given));
  }
  return {};
}

}  // namespace troupe::inference
