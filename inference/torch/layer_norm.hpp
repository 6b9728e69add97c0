#pragma once
// Layer norm in one pass over the memory: LibTorch's reads bf16 twice, and calls through its operators. No Torch types.

#include <cstdint>

namespace troupe::inference {

// Of `count` lines of `width` numbers; from one line to the next it is `step` numbers.
template <class T>
struct norm_lines {
  const T* x = nullptr;
  std::int64_t x_step = 0, count = 0, width = 0;
  const T *weight = nullptr, *bias = nullptr;  // a null bias is none
  double epsilon = 0;
  T* y = nullptr;  // may be x
  std::int64_t y_step = 0;
};

// y = (x - mean) / sqrt(variance + epsilon) * weight + bias of each line; in fp32 inside.
void normalize_lines(const norm_lines<float>& lines) noexcept;
// All in bf16.
void normalize_lines(const norm_lines<std::uint16_t>& lines) noexcept;

}  // namespace troupe::inference
