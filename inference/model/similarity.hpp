#pragma once
// How alike two texts are by their vectors. Pure.

#include <span>

namespace troupe::inference {

// The cosine of the angle between two vectors, -1 .. 1, summed in double precision. 0 where one of them is zero; NaN
// where one has a number that is not finite, or they are not equally long.
float cosine(std::span<const float> a, std::span<const float> b) noexcept;

}  // namespace troupe::inference
