#include "config/dtype.hpp"

#include <gtest/gtest.h>

#include <set>

namespace troupe::config {
namespace {

struct expected_row {
  dtype type;
  const char *name, *stored;
  std::size_t size_bytes;
};
constexpr expected_row all[] = {{dtype::f32, "float32", "F32", 4}, {dtype::f64, "float64", "F64", 8},
                                {dtype::f16, "float16", "F16", 2}, {dtype::bf16, "bfloat16", "BF16", 2},
                                {dtype::i64, "int64", "I64", 8},   {dtype::i32, "int32", "I32", 4},
                                {dtype::i16, "int16", "I16", 2},   {dtype::i8, "int8", "I8", 1},
                                {dtype::u8, "uint8", "U8", 1},     {dtype::boolean, "bool", "BOOL", 1}};

TEST(dtype, has_a_size_and_two_names_that_lead_back) {
  for (const auto& row : all) {
    EXPECT_EQ(to_string(row.type), row.name);
    EXPECT_EQ(stored_name(row.type), row.stored);
    EXPECT_EQ(size_of(row.type), row.size_bytes) << row.name;
    EXPECT_EQ(parse_dtype(row.name), row.type);
    EXPECT_EQ(parse_stored_name(row.stored), row.type);
  }
}

// The last of the enumeration is the last of the table.
TEST(dtype, none_is_left_out) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(dtype::boolean); ++i) names.insert(to_string(static_cast<dtype>(i)));
  EXPECT_EQ(names.size(), std::size(all));
}

TEST(dtype, neither_name_passes_for_the_other) {
  for (const auto& row : all) {
    EXPECT_EQ(parse_dtype(row.stored), std::nullopt) << row.stored;
    EXPECT_EQ(parse_stored_name(row.name), std::nullopt) << row.name;
  }
  for (const char* other : {"", "float", "Float32", "F8_E4M3", "complex64"}) {
    EXPECT_EQ(parse_dtype(other), std::nullopt) << other;
    EXPECT_EQ(parse_stored_name(other), std::nullopt) << other;
  }
}

TEST(dtype, messages_name_all) {
  EXPECT_EQ(dtype_names(), "float32, float64, float16, bfloat16, int64, int32, int16, int8, uint8, bool");
}

}  // namespace
}  // namespace troupe::config
