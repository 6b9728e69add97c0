#pragma once
// Samples to what a speech network takes: filter banks (fbank.hpp), stacked (lfr.hpp), normalised (cmvn.hpp). The same
// as FunASR's WavFrontend and, in pieces, WavFrontendOnline (1.4.16), with dither 0. A sound that is shorter than one
// fbank frame gives none (WavFrontend makes its window shorter then).
//
//   stream s(front);  s.accept(samples, out) ..  s.finish(out)      out: [frames, width()], row after row
//
// With 25/10 ms and 7/6, at 16 kHz: the first 9,600 samples give 10 frames, each further 9,600 give 10.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "config/error.hpp"
#include "inference/audio/cmvn.hpp"
#include "inference/audio/fbank.hpp"
#include "inference/audio/lfr.hpp"

namespace troupe::inference {

struct front_end_settings {
  fbank_settings fbank;
  std::uint32_t lfr_m = 1, lfr_n = 1;
};

// What all sessions of a model share. Immutable; any thread.
class front_end {
 public:
  // unprocessable: settings that cannot be had, by name. REQUIRES a cmvn, if any, of mels * lfr_m numbers.
  static result<std::shared_ptr<const front_end>> make(const front_end_settings& settings, std::optional<cmvn> norm);

  std::uint32_t rate_hz() const noexcept { return rate_hz_; }
  std::uint32_t width() const noexcept { return tables_->mels() * lfr_m_; }
  // Frames that a stream has given after so many samples.
  std::uint64_t frames(std::uint64_t samples, bool finished) const noexcept;
  // The whole sound at once: accept() and finish() of a stream.
  std::vector<float> features(std::span<const float> samples) const;

 private:
  friend class front_end_stream;
  std::uint32_t rate_hz_ = 0, lfr_m_ = 1, lfr_n_ = 1;
  std::shared_ptr<const fbank_tables> tables_;
  std::optional<cmvn> cmvn_;
};

// One session's sound on its way. One thread at a time. However the sound is split, the features are the same to the
// bit, and the same as features() gives. Holds less than 80 KB, whatever it was given.
class front_end_stream {
 public:
  explicit front_end_stream(std::shared_ptr<const front_end> front);

  const front_end& front() const noexcept { return *front_; }
  // Appends the frames that are whole now. REQUIRES that finish() was not called.
  void accept(std::span<const float> samples, std::vector<float>& out);
  // Appends the frames that need the last one repeated. Samples that fill no fbank frame are left out.
  void finish(std::vector<float>& out);

 private:
  void normalise(std::vector<float>& out, std::size_t from) const;

  std::shared_ptr<const front_end> front_;
  fbank fbank_;
  lfr lfr_;
  std::vector<float> banks_;  // scratch
};

}  // namespace troupe::inference
