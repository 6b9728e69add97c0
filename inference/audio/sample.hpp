#pragma once
// What counts as a sample of sound: -1 .. 1, somewhat more where somebody's software did not clip.

#include <cmath>

namespace troupe::inference {

// Beyond this nothing is sound, and far beyond it power spectra overflow.
inline constexpr float sample_max = 1e6F;

// NaN, infinity and what is as good as infinite are silence.
inline float heard(float sample) noexcept { return std::abs(sample) <= sample_max ? sample : 0.0F; }

}  // namespace troupe::inference
