#pragma once
// From a network's numbers to scores, as numpy and torch compute them. What is no number stays none: a NaN among the
// logits makes NaN of the scores, and is the largest, as for numpy's argmax.

#include <cstddef>
#include <span>

#include "inference/model/task.hpp"

namespace troupe::inference {

// In place.
void softmax(std::span<float> values) noexcept;
void apply_score_function(score_function function, std::span<float> values) noexcept;

// The first of the largest; the first NaN where there is one. REQUIRES a value.
std::size_t largest_of(std::span<const float> values) noexcept;

}  // namespace troupe::inference
