#include "inference/audio/lfr.hpp"

#include <algorithm>

namespace troupe::inference {

void lfr::accept(std::span<const float> frames, std::vector<float>& out) {
  if (frames.empty()) return;
  if (!begun_) {
    begun_ = true;
    for (std::uint32_t i = 0; i < left(); ++i) held_.insert(held_.end(), frames.begin(), frames.begin() + width_);
  }
  const auto skipped = std::min(skip_ * width_, frames.size());
  skip_ -= skipped / width_;
  held_.insert(held_.end(), frames.begin() + static_cast<std::ptrdiff_t>(skipped), frames.end());

  const std::size_t whole = std::size_t{m_} * width_, step = std::size_t{n_} * width_;
  std::size_t at = 0;
  for (; at + whole <= held_.size(); at += step) {
    const auto from = held_.begin() + static_cast<std::ptrdiff_t>(at);
    out.insert(out.end(), from, from + static_cast<std::ptrdiff_t>(whole));
  }
  if (at > held_.size()) {
    skip_ = (at - held_.size()) / width_;
    at = held_.size();
  }
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(at));
  if (held_.capacity() > 4 * whole) held_.shrink_to_fit();
}

void lfr::finish(std::vector<float>& out) {
  const std::size_t step = std::size_t{n_} * width_;
  // An output frame begins at every n-th input frame that truly came; here they lie `left` frames further on.
  for (std::size_t at = 0; at + std::size_t{left()} * width_ < held_.size(); at += step) {
    const auto end = out.size() + width();
    out.insert(out.end(), held_.begin() + static_cast<std::ptrdiff_t>(at), held_.end());
    while (out.size() < end) out.insert(out.end(), held_.end() - width_, held_.end());
  }
  held_ = {};
}

std::uint64_t lfr::frames(std::uint64_t frames_in, bool finished) const noexcept {
  if (finished || frames_in == 0) return (frames_in + n_ - 1) / n_;
  const auto padded = frames_in + left();
  return padded < m_ ? 0 : (padded - m_) / n_ + 1;
}

}  // namespace troupe::inference
