#include "inference/model/half.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace troupe::inference {
namespace {

constexpr std::uint32_t patterns = 0x10000;

std::uint16_t half(std::uint32_t bits) { return static_cast<std::uint16_t>(bits); }

// By the definition of the format: sign, five bits of exponent, ten of fraction.
double f16_by_definition(std::uint32_t bits) {
  const int exponent = static_cast<int>(bits >> 10U & 31U);
  const double fraction = static_cast<double>(bits & 1023U) / 1024;
  double value = exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1 + fraction, exponent - 15);
  if (exponent == 31)
    value = fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  return (bits & 0x8000U) != 0 ? -value : value;
}

TEST(half, bf16_is_the_upper_half_of_a_float) {
  EXPECT_EQ(bf16_to_float(0x3f80), 1.0F);
  EXPECT_EQ(bf16_to_float(0xc040), -3.0F);
  EXPECT_EQ(bf16_to_float(0x0001), std::ldexp(1.0F, -133));
  EXPECT_EQ(bf16_to_float(0xff80), -std::numeric_limits<float>::infinity());
  for (std::uint32_t bits = 0; bits < patterns; ++bits)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(bf16_to_float(half(bits))), bits << 16U);
}

TEST(half, every_bf16_survives_the_way_there_and_back) {
  for (std::uint32_t bits = 0; bits < patterns; ++bits) {
    const auto value = bf16_to_float(half(bits));
    // A NaN is made quiet, and keeps its sign and payload.
    ASSERT_EQ(float_to_bf16(value), std::isnan(value) ? bits | 0x40U : bits);
  }
}

TEST(half, a_nan_stays_one_where_its_payload_is_below_a_bf16_s) {
  for (const std::uint32_t bits : {0x7f800001U, 0xff800001U, 0x7f80ffffU, 0x7fffffffU})
    EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(std::bit_cast<float>(bits))))) << bits;
}

// Between each bf16 and the next: the middle goes to the even one, its neighbours to the nearer one.
TEST(half, bf16_is_rounded_to_the_nearest_and_to_even) {
  for (std::uint32_t bits = 0; bits < 0x7f80; ++bits)
    for (const std::uint32_t sign : {0U, 0x8000U}) {
      const auto middle = (bits | sign) << 16U | 0x8000U;
      const auto below = bits | sign, above = below + 1;
      ASSERT_EQ(float_to_bf16(std::bit_cast<float>(middle)), (bits & 1U) == 0 ? below : above) << bits;
      ASSERT_EQ(float_to_bf16(std::bit_cast<float>(middle - 1)), below) << bits;
      ASSERT_EQ(float_to_bf16(std::bit_cast<float>(middle + 1)), above) << bits;
    }
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7f80) << "nearer to infinity than to any bf16";
  EXPECT_EQ(float_to_bf16(-0.0F), 0x8000);
}

TEST(half, every_f16_is_what_its_bits_say) {
  EXPECT_EQ(f16_to_float(0x3c00), 1.0F);
  EXPECT_EQ(f16_to_float(0xc000), -2.0F);
  EXPECT_EQ(f16_to_float(0x3555), 0.333251953125F);
  EXPECT_EQ(f16_to_float(0x7bff), 65504.0F);
  EXPECT_EQ(f16_to_float(0x0001), std::ldexp(1.0F, -24));
  for (std::uint32_t bits = 0; bits < patterns; ++bits) {
    const double is = f16_to_float(half(bits)), wanted = f16_by_definition(bits);
    ASSERT_EQ(std::isnan(is), std::isnan(wanted)) << bits;
    ASSERT_EQ(std::signbit(is), (bits & 0x8000U) != 0) << bits;
    ASSERT_TRUE(is == wanted || std::isnan(wanted)) << bits;
  }
}

TEST(half, every_finite_f16_survives_the_way_there_and_back) {
  for (std::uint32_t bits = 0; bits < patterns; ++bits)
    if ((bits & 0x7fffU) < 0x7c00U) {
      ASSERT_EQ(double_to_f16(f16_by_definition(bits)), bits);
    }
}

TEST(half, f16_is_rounded_to_the_nearest_and_to_even_from_all_of_a_double_s_digits) {
  for (std::uint32_t bits = 0; bits < 0x7bff; ++bits)
    for (const double sign : {1.0, -1.0}) {
      const auto below = bits | (sign < 0 ? 0x8000U : 0U), above = below + 1;
      const double middle = (f16_by_definition(bits) + f16_by_definition(bits + 1)) / 2;  // exact
      ASSERT_EQ(double_to_f16(sign * middle), (bits & 1U) == 0 ? below : above) << bits;
      ASSERT_EQ(double_to_f16(sign * std::nextafter(middle, 0)), below) << bits;
      ASSERT_EQ(double_to_f16(sign * std::nextafter(middle, 1e6)), above) << bits;
    }
  EXPECT_EQ(double_to_f16(std::numeric_limits<double>::denorm_min()), 0);
  EXPECT_EQ(double_to_f16(-std::numeric_limits<double>::denorm_min()), 0x8000);
}

TEST(half, any_number_becomes_one_of_its_two_neighbours) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> exponent(-30, 15.99);
  for (int i = 0; i < 100'000; ++i) {
    const double value = std::exp2(exponent(random));
    const auto bits = double_to_f16(value);
    const double off = std::abs(f16_by_definition(bits) - value);
    for (const auto other : {bits == 0 ? 0U : bits - 1U, bits < 0x7bffU ? bits + 1U : bits})
      ASSERT_LE(off, std::abs(f16_by_definition(other) - value)) << value;
  }
}

}  // namespace
}  // namespace troupe::inference
