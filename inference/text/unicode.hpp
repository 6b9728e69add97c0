#pragma once
// Unicode as the `tokenizers` library sees it. Its tables are older than utf8proc's, so the classes
// come from unicode_tables.inc, which was made by asking it; decomposition is utf8proc's.

#include <optional>
#include <string>
#include <string_view>

namespace troupe::inference {

// nullopt: not valid UTF-8 (overlong forms, surrogates and truncated sequences included).
std::optional<std::u32string> decode_utf8(std::string_view text);

bool is_removed_by_cleaning(char32_t c) noexcept;  // controls, format characters, U+FFFD, NUL
bool is_space(char32_t c) noexcept;                // Rust's char::is_whitespace
bool is_nonspacing_mark(char32_t c) noexcept;
bool is_mark(char32_t c) noexcept;            // nonspacing, spacing or enclosing
bool is_punctuation(char32_t c) noexcept;     // ASCII symbols count
bool is_word_character(char32_t c) noexcept;  // \w
bool is_chinese(char32_t c) noexcept;

void append_lower(char32_t c, std::u32string& out);
// Canonical decomposition with canonical order, in linear time but for the sort of each run of marks.
std::u32string decompose(std::u32string_view text);
// A text may be cut before `c` and both parts decomposed alone.
bool starts_new_cluster(char32_t c) noexcept;

}  // namespace troupe::inference
