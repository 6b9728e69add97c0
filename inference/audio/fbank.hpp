#pragma once
// Log mel filter-bank energies as Kaldi's compute-fbank-feats makes them (checked against torchaudio.compliance.kaldi):
// samples times 32768, only frames that fit (snip_edges), mean removed, pre-emphasis 0.97, window, power spectrum over
// the next power of two, triangles between 20 Hz and half the rate, natural logarithm, floor FLT_EPSILON. No dither:
// the same sound gives the same numbers.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/error.hpp"

namespace troupe::inference {

struct fbank_settings {
  std::uint32_t rate_hz = 16000;
  std::string window = "hamming";  // no other is known
  std::uint32_t mels = 80;
  double frame_length_ms = 25, frame_shift_ms = 10;
};

// Window and mel triangles. Immutable, shared by all sessions of a model.
class fbank_tables {
 public:
  // unprocessable: settings that cannot be had, by name.
  static result<std::shared_ptr<const fbank_tables>> make(const fbank_settings& settings);

  std::uint32_t mels() const noexcept { return static_cast<std::uint32_t>(triangles_.size()); }
  std::uint32_t frame_samples() const noexcept { return static_cast<std::uint32_t>(window_.size()); }
  std::uint32_t shift_samples() const noexcept { return shift_samples_; }
  std::uint32_t fft_size() const noexcept { return fft_size_; }
  std::span<const float> window() const noexcept { return window_; }
  // Energies of one frame's power spectrum, [fft_size / 2], into mels() numbers.
  void energies(const float* power, float* out) const noexcept;
  // Frames that fit into so many samples.
  std::uint64_t frames(std::uint64_t samples) const noexcept {
    return samples < frame_samples() ? 0 : (samples - frame_samples()) / shift_samples_ + 1;
  }

 private:
  struct triangle {
    std::uint32_t bin = 0, bins = 0;  // of the spectrum: the first one, how many
    std::size_t weight = 0;           // of the first one, in weights_
  };
  std::uint32_t shift_samples_ = 0, fft_size_ = 0;
  std::vector<float> window_, weights_;
  std::vector<triangle> triangles_;
};

// One sound on its way into frames: keeps the samples that further frames still need. One thread at a time. However the
// sound is split into calls, the frames are the same to the bit.
class fbank {
 public:
  explicit fbank(std::shared_ptr<const fbank_tables> tables);
  fbank(fbank&&) noexcept;
  fbank& operator=(fbank&&) noexcept;
  ~fbank();

  const fbank_tables& tables() const noexcept { return *tables_; }
  // Appends the frames, mels() numbers each, that are whole now. Samples are -1 .. 1; see sample.hpp for others.
  void accept(std::span<const float> samples, std::vector<float>& out);

 private:
  class transform;
  void frame(const float* samples, float* out);

  std::shared_ptr<const fbank_tables> tables_;
  std::unique_ptr<transform> transform_;
  std::vector<float> held_;  // scaled; fewer than a frame has, between calls
};

}  // namespace troupe::inference
