#pragma once
// Texts as Python's str has them, as far as FunASR's rules look at them. No Torch.

#include <string>
#include <string_view>

namespace troupe::inference {

// REQUIRES what decode_utf8() (text/unicode.hpp) gives.
std::string encode_utf8(std::u32string_view text);

// Where str.split() splits.
bool is_python_space(char32_t c) noexcept;

// Of letters there are none: dashes, brackets, quotes, commas and the like (Unicode's category P).
bool is_set_mark(char32_t c) noexcept;

// The last character; empty: there is none. REQUIRES UTF-8.
std::string_view last_character(std::string_view text) noexcept;

inline bool is_ascii(char c) noexcept { return static_cast<unsigned char>(c) < 0x80; }

}  // namespace troupe::inference
