#include "config/dtype.hpp"

#include <array>

namespace troupe::config {
namespace {

struct type_row {
  dtype type;
  std::string_view name, stored;
  std::uint8_t size_bytes;
};
// By the enumeration's order.
constexpr std::array<type_row, 10> types{{{dtype::f32, "float32", "F32", 4},
                                          {dtype::f64, "float64", "F64", 8},
                                          {dtype::f16, "float16", "F16", 2},
                                          {dtype::bf16, "bfloat16", "BF16", 2},
                                          {dtype::i64, "int64", "I64", 8},
                                          {dtype::i32, "int32", "I32", 4},
                                          {dtype::i16, "int16", "I16", 2},
                                          {dtype::i8, "int8", "I8", 1},
                                          {dtype::u8, "uint8", "U8", 1},
                                          {dtype::boolean, "bool", "BOOL", 1}}};
constexpr bool in_order() {
  for (std::size_t i = 0; i < types.size(); ++i)
    if (static_cast<std::size_t>(types[i].type) != i) return false;
  return true;
}
static_assert(in_order());

const type_row& row_of(dtype type) noexcept { return types[static_cast<std::size_t>(type)]; }

}  // namespace

std::size_t size_of(dtype type) noexcept { return row_of(type).size_bytes; }
std::string_view to_string(dtype type) noexcept { return row_of(type).name; }
std::string_view stored_name(dtype type) noexcept { return row_of(type).stored; }

std::optional<dtype> parse_dtype(std::string_view name) noexcept {
  for (const auto& row : types)
    if (row.name == name) return row.type;
  return std::nullopt;
}
std::optional<dtype> parse_stored_name(std::string_view name) noexcept {
  for (const auto& row : types)
    if (row.stored == name) return row.type;
  return std::nullopt;
}

std::string dtype_names() {
  std::string all;
  for (const auto& row : types) all.append(all.empty() ? "" : ", ").append(row.name);
  return all;
}

}  // namespace troupe::config
