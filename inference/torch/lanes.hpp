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
using lane_bits = std::uint32_t __attribute__((vector_size(sizeof(std::uint32_t) * lane_count)));

// By reference: versions for different CPUs would pass them by value in different ways.
[[gnu::always_inline]] inline void read(const float* from, lanes& to) noexcept { std::memcpy(&to, from, sizeof to); }
[[gnu::always_inline]] inline void read(const std::uint16_t* from, lanes& to) noexcept {
  half_lanes half;
  std::memcpy(&half, from, sizeof half);
  to = reinterpret_cast<lanes>(__builtin_convertvector(half, lane_bits) << 16U);
}
[[gnu::always_inline]] inline void write(const lanes& from, float* to) noexcept { std::memcpy(to, &from, sizeof from); }
// To the nearest, ties to even; NaN stays NaN.
[[gnu::always_inline]] inline void write(const lanes& from, std::uint16_t* to) noexcept {
  const auto bits = reinterpret_cast<lane_bits>(from);
  const auto rounded = (bits + 0x7fffU + (bits >> 16U & 1U)) >> 16U;
  const auto half =
      __builtin_convertvector((bits & 0x7fffffffU) > 0x7f800000U ? (bits >> 16U | 0x40U) : rounded, half_lanes);
  std::memcpy(to, &half, sizeof half);
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
