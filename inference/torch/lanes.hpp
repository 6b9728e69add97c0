#pragma once
// Loops over numbers in fp32 or bf16, sixteen at a time, that need no intrinsics: the compiler makes of them what the
// CPU has. Called from functions that are TROUPE_WIDE. No Torch here.

#include <cstdint>
#include <cstring>

#include "inference/model/half.hpp"

// A version for each kind of CPU; the best of them is taken when the program starts. Not for templates.
#if defined(__x86_64__)
#define TROUPE_WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TROUPE_WIDE
#endif

namespace troupe::inference {

inline constexpr std::int64_t lane_count = 16;
using lanes = float __attribute__((vector_size(sizeof(float) * lane_count)));
using half_lanes = std::uint16_t __attribute__((vector_size(sizeof(std::uint16_t) * lane_count)));
using lane_halves = std::uint16_t __attribute__((vector_size(sizeof(float) * lane_count)));
using lane_bits = std::uint32_t __attribute__((vector_size(sizeof(std::uint32_t) * lane_count)));

// By reference: versions for different CPUs would pass them by value in different ways.
[[gnu::always_inline]] inline void read(const float* from, lanes& to) noexcept { std::memcpy(&to, from, sizeof to); }
// Each number behind sixteen zeros: a conversion of integers would be made in halves.
[[gnu::always_inline]] inline void read(const std::uint16_t* from, lanes& to) noexcept {
  half_lanes half;
  std::memcpy(&half, from, sizeof half);
  to = reinterpret_cast<lanes>(__builtin_shufflevector(half, half_lanes{}, 16, 0, 16, 1, 16, 2, 16, 3, 16, 4, 16, 5, 16,
                                                       6, 16, 7, 16, 8, 16, 9, 16, 10, 16, 11, 16, 12, 16, 13, 16, 14,
                                                       16, 15));
}
[[gnu::always_inline]] inline void write(const lanes& from, float* to) noexcept { std::memcpy(to, &from, sizeof from); }
// To the nearest, ties to even; NaN stays NaN.
[[gnu::always_inline]] inline void write(const lanes& from, std::uint16_t* to) noexcept {
  const auto bits = reinterpret_cast<lane_bits>(from);
  const auto rounded = (bits & 0x7fffffffU) > 0x7f800000U ? bits | 0x400000U : bits + 0x7fffU + (bits >> 16U & 1U);
  const auto halves = reinterpret_cast<lane_halves>(rounded);
  const half_lanes upper =
      __builtin_shufflevector(halves, halves, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  std::memcpy(to, &upper, sizeof upper);
}

// Of all lanes.
[[gnu::always_inline]] inline float sum_of(const lanes& x) noexcept {
  lanes sum = x + __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  sum += __builtin_shufflevector(sum, sum, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  sum += __builtin_shufflevector(sum, sum, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  return sum[0] + sum[1];
}

[[gnu::always_inline]] inline float number(float x) noexcept { return x; }
[[gnu::always_inline]] inline float number(std::uint16_t x) noexcept { return bf16_to_float(x); }
[[gnu::always_inline]] inline void set(float& to, float x) noexcept { to = x; }
[[gnu::always_inline]] inline void set(std::uint16_t& to, float x) noexcept { to = float_to_bf16(x); }

// The first `count` lanes; the others are zero, or left.
template <class T>
[[gnu::always_inline]] inline void read_some(const T* from, std::int64_t count, lanes& to) noexcept {
  if (count >= lane_count) return read(from, to);
  to = lanes{};
  for (std::int64_t i = 0; i < count; ++i) to[i] = number(from[i]);
}
template <class T>
[[gnu::always_inline]] inline void write_some(const lanes& from, std::int64_t count, T* to) noexcept {
  if (count >= lane_count) return write(from, to);
  for (std::int64_t i = 0; i < count; ++i) set(to[i], from[i]);
}

}  // namespace troupe::inference
