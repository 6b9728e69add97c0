#pragma once
// The one table of number types: registries, files and clients name them, tensors have them.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::config {

enum class dtype : std::uint8_t { f32, f64, f16, bf16, i64, i32, i16, i8, u8, boolean };

std::size_t size_of(dtype type) noexcept;           // bytes of an element
std::string_view to_string(dtype type) noexcept;    // as PyTorch says it: "float32", "bfloat16", ..
std::string_view stored_name(dtype type) noexcept;  // as safetensors files say it: "F32", "BF16", ..
// Null: no such type.
std::optional<dtype> parse_dtype(std::string_view name) noexcept;
std::optional<dtype> parse_stored_name(std::string_view name) noexcept;

// All names, "float32, float64, ..": for messages.
std::string dtype_names();

}  // namespace troupe::config
