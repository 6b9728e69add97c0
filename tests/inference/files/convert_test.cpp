#include "inference/files/convert.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <limits>

#include "inference/model/half.hpp"

namespace troupe::inference {
namespace {

template <class T>
std::vector<float> floats_of(dtype type, const std::vector<T>& numbers) {
  std::vector<float> out(numbers.size());
  to_floats(type, std::as_bytes(std::span(numbers)), out);
  return out;
}

TEST(convert, knows_the_types_that_weights_have) {
  EXPECT_EQ(floating_type_of("F32"), dtype::f32);
  EXPECT_EQ(floating_type_of("F64"), dtype::f64);
  EXPECT_EQ(floating_type_of("F16"), dtype::f16);
  EXPECT_EQ(floating_type_of("BF16"), dtype::bf16);
  for (const char* other : {"I64", "I32", "I16", "I8", "U8", "BOOL", "F8_E4M3", "float32", "f32", ""})
    EXPECT_EQ(floating_type_of(other), std::nullopt) << other;
}

TEST(convert, each_type_becomes_floats) {
  const std::vector<float> wanted{1, -2.5F, 0};
  EXPECT_EQ(floats_of(dtype::f32, std::vector<float>{1, -2.5F, 0}), wanted);
  EXPECT_EQ(floats_of(dtype::f64, std::vector<double>{1, -2.5, 0}), wanted);
  EXPECT_EQ(floats_of(dtype::f16, std::vector<std::uint16_t>{0x3c00, 0xc100, 0}), wanted);
  EXPECT_EQ(floats_of(dtype::bf16, std::vector<std::uint16_t>{0x3f80, 0xc020, 0}), wanted);
  EXPECT_EQ(floats_of(dtype::f32, std::vector<float>{}), std::vector<float>{});
}

// As they lie in a file: nothing says that they are aligned.
TEST(convert, numbers_may_lie_anywhere) {
  std::array<std::byte, 13> bytes{};
  const float values[] = {3, -4, 5};
  std::memcpy(bytes.data() + 1, values, sizeof values);
  std::vector<float> out(3);
  to_floats(dtype::f32, std::span(bytes).subspan(1), out);
  EXPECT_EQ(out, (std::vector<float>{3, -4, 5}));
}

TEST(convert, bf16_is_rounded_one_by_one) {
  std::vector<float> in{1,
                        -2.5F,
                        1.00390625F,
                        1.01171875F,
                        std::numeric_limits<float>::infinity(),
                        std::numeric_limits<float>::quiet_NaN()};
  std::vector<std::uint16_t> out(in.size());
  to_bf16(in, out);
  for (std::size_t i = 0; i < in.size(); ++i) EXPECT_EQ(out[i], float_to_bf16(in[i])) << in[i];
  EXPECT_EQ(out[2], 0x3f80) << "half way: to even";
  EXPECT_EQ(out[3], 0x3f82);
}

}  // namespace
}  // namespace troupe::inference
