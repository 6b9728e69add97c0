#include "inference/audio/front_end.hpp"

#include <algorithm>
#include <cassert>

namespace troupe::inference {

namespace {
// Samples that one round takes: bounds the scratch memory, a minute at a time.
constexpr std::size_t round_samples = 960'000;
}  // namespace

result<std::shared_ptr<const front_end>> front_end::make(const front_end_settings& s, std::optional<cmvn> norm) {
  if (s.lfr_m < 1 || s.lfr_m > 64 || s.lfr_n < 1 || s.lfr_n > 64)
    return fail(error_code::unprocessable,
                "the front-end's lfr_m, " + std::to_string(s.lfr_m) + ", or lfr_n, " + std::to_string(s.lfr_n) +
                    ", is out of range",
                "1 to 64");
  auto tables = fbank_tables::make(s.fbank);
  if (!tables) return tl::unexpected(tables.error());
  auto out = std::make_shared<front_end>();
  out->rate_hz_ = s.fbank.rate_hz;
  out->lfr_m_ = s.lfr_m;
  out->lfr_n_ = s.lfr_n;
  out->tables_ = std::move(*tables);
  assert(!norm || (norm->shift.size() == out->width() && norm->scale.size() == out->width()));
  out->cmvn_ = std::move(norm);
  return std::shared_ptr<const front_end>(std::move(out));
}

std::uint64_t front_end::frames(std::uint64_t samples, bool finished) const noexcept {
  return lfr(tables_->mels(), lfr_m_, lfr_n_).frames(tables_->frames(samples), finished);
}

std::vector<float> front_end::features(std::span<const float> samples) const {
  // The stream lives in this call alone and needs no share.
  front_end_stream stream(std::shared_ptr<const front_end>(std::shared_ptr<const front_end>(), this));
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(frames(samples.size(), true)) * width());
  stream.accept(samples, out);
  stream.finish(out);
  return out;
}

front_end_stream::front_end_stream(std::shared_ptr<const front_end> front)
    : front_(std::move(front)),
      fbank_(front_->tables_),
      lfr_(front_->tables_->mels(), front_->lfr_m_, front_->lfr_n_) {}

void front_end_stream::accept(std::span<const float> samples, std::vector<float>& out) {
  const auto from = out.size();
  while (!samples.empty()) {
    const auto part = samples.first(std::min(samples.size(), round_samples));
    samples = samples.subspan(part.size());
    banks_.clear();
    fbank_.accept(part, banks_);
    lfr_.accept(banks_, out);
  }
  if (banks_.capacity() > 8192) banks_ = {};  // a session holds little
  normalise(out, from);
}

void front_end_stream::finish(std::vector<float>& out) {
  const auto from = out.size();
  lfr_.finish(out);
  normalise(out, from);
}

void front_end_stream::normalise(std::vector<float>& out, std::size_t from) const {
  if (front_->cmvn_) front_->cmvn_->apply(std::span(out).subspan(from));
}

}  // namespace troupe::inference
