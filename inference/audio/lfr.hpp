#pragma once
// Low frame rate: each output frame is m input frames side by side, n further on than the one before. As FunASR's
// front-ends do it: (m - 1) / 2 copies of the first frame come before it, and at the end the last frame is repeated, so
// that T frames give ceil(T / n).

#include <cstdint>
#include <span>
#include <vector>

namespace troupe::inference {

// One sound on its way. One thread at a time. However the frames are split into calls, the output is the same.
class lfr {
 public:
  // REQUIRES all at least 1. `width`: numbers of an input frame.
  lfr(std::uint32_t width, std::uint32_t m, std::uint32_t n) : width_(width), m_(m), n_(n) {}

  std::uint32_t width() const noexcept { return width_ * m_; }  // of an output frame
  // Appends the output frames that are whole now. REQUIRES whole frames, and that finish() was not called.
  void accept(std::span<const float> frames, std::vector<float>& out);
  // Appends the output frames that need repeated ones. No frame came: none.
  void finish(std::vector<float>& out);
  // What comes out of so many input frames.
  std::uint64_t frames(std::uint64_t frames_in, bool finished) const noexcept;

 private:
  std::uint32_t left() const noexcept { return (m_ - 1) / 2; }

  std::uint32_t width_, m_, n_;
  bool begun_ = false;
  std::size_t skip_ = 0;     // frames still to come that no output frame needs (n > m)
  std::vector<float> held_;  // input frames from the next output frame's first on
};

}  // namespace troupe::inference
