#include "inference/audio/fbank.hpp"

#include <kissfft/kiss_fftr.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <new>
#include <numbers>
#include <numeric>

#include "inference/audio/sample.hpp"

namespace troupe::inference {

namespace {

static_assert(std::is_same_v<kiss_fft_scalar, float>);

constexpr float scale = 32768, preemphasis = 0.97F;
constexpr double low_hz = 20;

// In float, as Kaldi and torchaudio have it: the triangles' weights come from differences of these, which double
// precision would round otherwise.
float mel(float hz) { return 1127.0F * std::log(1.0F + hz / 700.0F); }
double mel_exactly(double hz) { return 1127.0 * std::log(1.0 + hz / 700.0); }

std::vector<float> hamming(std::uint32_t size) {
  std::vector<float> out(size);
  for (std::uint32_t i = 0; i < size; ++i)
    out[i] = static_cast<float>(0.54 - 0.46 * std::cos(2 * std::numbers::pi * i / (size - 1)));
  return out;
}

tl::unexpected<error> refused(const std::string& what, std::string right) {
  return fail(error_code::unprocessable, "the front-end's " + what, std::move(right));
}

}  // namespace

result<std::shared_ptr<const fbank_tables>> fbank_tables::make(const fbank_settings& s) {
  if (s.window != "hamming") return refused("window '" + s.window + "' is not known", "hamming is");
  if (s.rate_hz < 1000 || s.rate_hz > 192000)
    return refused("rate, " + std::to_string(s.rate_hz) + " Hz, is out of range", "1000 to 192000 Hz");
  const auto samples = [&](double ms) { return std::floor(s.rate_hz * ms * 0.001); };
  if (!(s.frame_length_ms > 0 && s.frame_length_ms <= 200) || samples(s.frame_length_ms) < 2)
    return refused("frame_length, " + std::to_string(s.frame_length_ms) + " ms, is out of range", "up to 200 ms");
  if (!(s.frame_shift_ms > 0 && s.frame_shift_ms <= s.frame_length_ms) || samples(s.frame_shift_ms) < 1)
    return refused("frame_shift, " + std::to_string(s.frame_shift_ms) + " ms, is out of range",
                   "from a sample up to frame_length");
  if (s.mels < 4 || s.mels > 1024)
    return refused("n_mels, " + std::to_string(s.mels) + ", is out of range", "4 to 1024");

  auto out = std::make_shared<fbank_tables>();
  out->shift_samples_ = static_cast<std::uint32_t>(samples(s.frame_shift_ms));
  out->window_ = hamming(static_cast<std::uint32_t>(samples(s.frame_length_ms)));
  out->fft_size_ = std::bit_ceil(out->frame_samples());

  const auto bins = out->fft_size_ / 2;
  const auto bin_hz = static_cast<float>(static_cast<double>(s.rate_hz) / out->fft_size_);
  const auto low = mel_exactly(low_hz);
  const auto low_mel = static_cast<float>(low);
  const auto step = static_cast<float>((mel_exactly(s.rate_hz / 2.0) - low) / (s.mels + 1));
  std::vector<float> bin_mel(bins);
  for (std::uint32_t k = 0; k < bins; ++k) bin_mel[k] = mel(bin_hz * static_cast<float>(k));
  for (std::uint32_t m = 0; m < s.mels; ++m) {
    const auto at = static_cast<float>(m);
    const float left = low_mel + at * step, centre = low_mel + (at + 1.0F) * step, right = low_mel + (at + 2.0F) * step;
    triangle t{0, 0, out->weights_.size()};
    for (std::uint32_t k = 0; k < bins; ++k) {
      const auto weight = std::min((bin_mel[k] - left) / (centre - left), (right - bin_mel[k]) / (right - centre));
      if (!(weight > 0)) continue;
      if (t.bins == 0) t.bin = k;
      ++t.bins;
      out->weights_.push_back(weight);
    }
    out->triangles_.push_back(t);
  }
  return std::shared_ptr<const fbank_tables>(std::move(out));
}

void fbank_tables::energies(const float* power, float* out) const noexcept {
  for (const auto& t : triangles_) {
    const float* const from = power + t.bin;
    const float* const weights = weights_.data() + t.weight;
    float sum = 0;
    for (std::uint32_t k = 0; k < t.bins; ++k) sum += from[k] * weights[k];
    *out++ = sum;
  }
}

// KISS FFT's plan has scratch memory in it: one a session.
class fbank::transform {
 public:
  explicit transform(std::uint32_t size)
      : samples(size),
        power(size / 2),
        plan_(kiss_fftr_alloc(static_cast<int>(size), 0, nullptr, nullptr)),
        spectrum_(size / 2 + 1) {
    if (plan_ == nullptr) throw std::bad_alloc();
  }
  ~transform() { kiss_fftr_free(plan_); }
  transform(const transform&) = delete;
  transform& operator=(const transform&) = delete;

  std::vector<float> samples;  // in: fft_size, zero behind the frame
  std::vector<float> power;    // out: fft_size / 2; no triangle reaches the last bin
  void run() {
    kiss_fftr(plan_, samples.data(), spectrum_.data());
    for (std::size_t k = 0; k < power.size(); ++k)
      power[k] = spectrum_[k].r * spectrum_[k].r + spectrum_[k].i * spectrum_[k].i;
  }

 private:
  kiss_fftr_cfg plan_;
  std::vector<kiss_fft_cpx> spectrum_;
};

fbank::fbank(std::shared_ptr<const fbank_tables> tables)
    : tables_(std::move(tables)), transform_(std::make_unique<transform>(tables_->fft_size())) {}
fbank::fbank(fbank&&) noexcept = default;
fbank& fbank::operator=(fbank&&) noexcept = default;
fbank::~fbank() = default;

void fbank::accept(std::span<const float> samples, std::vector<float>& out) {
  const std::size_t size = tables_->frame_samples(), shift = tables_->shift_samples(), mels = tables_->mels();
  held_.reserve(held_.size() + samples.size());
  for (const float x : samples) held_.push_back(heard(x) * scale);

  const auto frames = static_cast<std::size_t>(tables_->frames(held_.size()));
  auto to = out.size();
  out.resize(to + frames * mels);
  for (std::size_t f = 0; f < frames; ++f, to += mels) frame(held_.data() + f * shift, out.data() + to);
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(frames * shift));
  if (held_.capacity() > 4 * size + 4096) held_.shrink_to_fit();  // a long piece leaves no memory behind
}

void fbank::frame(const float* x, float* out) {
  const auto window = tables_->window();
  const auto size = window.size();
  const auto mean = static_cast<float>(std::accumulate(x, x + size, 0.0) / static_cast<double>(size));
  float* const y = transform_->samples.data();
  float before = x[0] - mean;
  for (std::size_t i = 0; i < size; ++i) {
    const float now = x[i] - mean;
    y[i] = (now - preemphasis * before) * window[i];
    before = now;
  }
  transform_->run();
  tables_->energies(transform_->power.data(), out);
  for (std::size_t m = 0; m < tables_->mels(); ++m) out[m] = std::log(std::max(out[m], FLT_EPSILON));
}

}  // namespace troupe::inference
